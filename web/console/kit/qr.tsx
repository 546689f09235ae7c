/** A QR code, drawn in lines so that it is sharp at every size. */
import { useEffect, useState } from "preact/hooks";

/** What a reader needs around the code, in modules. */
const QUIET_ZONE = 4;

interface Code {
  text: string;
  /** Of a side, in modules. */
  size: number;
  path: string;
}

/** `label` is for those who do not see it. Without one it is the text. */
export function QrCode({ text, label = text }: { text: string; label?: string }) {
  const [code, setCode] = useState<Code>();
  useEffect(() => {
    let isGone = false;
    const draw = async () => {
      const { encode } = await import("uqr");
      // A poster is folded, scratched and rained upon: a quarter of it may be missing.
      const { data, size } = encode(text, { ecc: "Q", border: 0 });
      if (!isGone) setCode({ text, size, path: pathOf(data) });
    };
    draw().catch((error) => console.info("The code could not be drawn.", error));
    return () => {
      isGone = true;
    };
  }, [text]);
  if (code?.text !== text) return <div class="qr" aria-busy="true" />;
  const side = code.size + 2 * QUIET_ZONE;
  return (
    <svg class="qr" viewBox={`${-QUIET_ZONE} ${-QUIET_ZONE} ${side} ${side}`} role="img" aria-label={label}>
      <path d={code.path} />
    </svg>
  );
}

/** One stroke for each row's run of dark modules. */
function pathOf(rows: boolean[][]): string {
  const runs: string[] = [];
  for (const [y, row] of rows.entries()) {
    for (let x = 0; x < row.length; x++) {
      if (!row[x]) continue;
      const end = row.indexOf(false, x);
      const length = (end < 0 ? row.length : end) - x;
      runs.push(`M${x} ${y}h${length}v1h${-length}z`);
      x += length;
    }
  }
  return runs.join("");
}
