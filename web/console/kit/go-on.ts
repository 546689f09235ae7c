/** What follows the answer of a service. */
import { go } from "../router.js";

/** To be called before the service is asked. Goes on only if the person is still at the address where they asked. */
export function fromHere(): typeof go {
  const here = location.pathname;
  return (address, options) => {
    if (location.pathname === here) go(address, options);
  };
}
