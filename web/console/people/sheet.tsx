import type { ComponentChildren } from "preact";

export type SheetRow = [label: string, value: ComponentChildren];

/** What is known of something: labels and values, side by side where there is room. */
export function Sheet({ rows }: { rows: SheetRow[] }) {
  return (
    <dl class="sheet">
      {rows.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
