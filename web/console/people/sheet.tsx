import type { ComponentChildren } from "preact";
import { phoneAddress } from "../../ui/text.js";

export type SheetRow = [label: string, value: ComponentChildren];

/** What is known of something: labels and values, side by side where there is room. */
export function Sheet({ rows }: { rows: SheetRow[] }) {
  return (
    <dl class="known">
      {rows.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Leads to nothing but a page, whatever somebody has typed. */
export function Website({ address }: { address: string }) {
  const url = /^https?:\/\//i.test(address) ? address : `https://${address}`;
  return (
    <a href={url} target="_blank" rel="noopener noreferrer">
      <bdi dir="ltr">{address}</bdi>
    </a>
  );
}

export function Phone({ number }: { number: string }) {
  return (
    <a href={phoneAddress(number)}>
      <bdi dir="ltr">{number}</bdi>
    </a>
  );
}
