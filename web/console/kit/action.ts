/** What a button starts: whether it is under way, and why it has failed. */
import { useState } from "preact/hooks";
import { problemOf, suspectSignIn } from "./load.js";

export interface Action {
  busy: boolean;
  problem: string | undefined;
  run(work: () => Promise<void>): Promise<void>;
}

/** One at a time: while one is under way, another press does nothing. */
export function useAction(): Action {
  const [state, setState] = useState<{ busy: boolean; problem?: string }>({ busy: false });
  const run = async (work: () => Promise<void>) => {
    if (state.busy) return;
    setState({ busy: true });
    try {
      await work();
      setState({ busy: false });
    } catch (error) {
      suspectSignIn(error);
      setState({ busy: false, problem: problemOf(error) });
    }
  };
  return { busy: state.busy, problem: state.problem, run };
}
