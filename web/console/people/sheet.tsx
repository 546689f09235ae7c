import type { ComponentChildren } from "preact";

/** What is known of something: labels and values, side by side where there is room. */
export function Sheet({ rows }: { rows: [string, ComponentChildren][] }) {
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
