/** The icons of all pages: lines on a grid of 24, drawn for Mayday. They never stand alone: a text says the same. */
const PATHS = {
  ring: "M12 3a9 9 0 1 0 0 18 9 9 0 1 0 0-18M12 8a4 4 0 1 0 0 8 4 4 0 1 0 0-8M5.6 5.6l3.6 3.6M14.8 14.8l3.6 3.6M18.4 5.6l-3.6 3.6M9.2 14.8l-3.6 3.6",
  check: "M5 13l4.5 4.5L19 7",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 1 0 0-18M12 7v5l3.5 2",
  later: "M12 8a4 4 0 1 0 0 8 4 4 0 1 0 0-8",
  read: "M2 12s4-6.5 10-6.5S22 12 22 12s-4 6.5-10 6.5S2 12 2 12M12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 1 0 0-5",
  phone: "M5 3h4l2 5-2.5 2a12 12 0 0 0 5.5 5.5l2-2.5 5 2v4a2 2 0 0 1-2 2A16 16 0 0 1 3 5a2 2 0 0 1 2-2",
  pin: "M12 21.5s-7-6.5-7-11.5a7 7 0 0 1 14 0c0 5-7 11.5-7 11.5M12 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 1 0 0-5",
  send: "M4 12h15M13 6l6 6-6 6",
  close: "M6 6l12 12M18 6L6 18",
  settings: "M4 8h9M19 8h1M4 16h1M11 16h9M16 5.5v5M8 13.5v5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5",
  warning: "M12 4L2.5 20h19L12 4M12 10v4.5M12 17.2v.1",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 1 0 0-8M4 21c0-4.5 3.5-6 8-6s8 1.5 8 6",
  medical: "M9 4h6v5h5v6h-5v5H9v-5H4V9h5V4",
  lost: "M12 3a9 9 0 1 0 0 18 9 9 0 1 0 0-18M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.6v.1",
  threat: "M13 3L5 14h6l-1 7 8-11h-6l1-7",
  other: "M6 12h.01M12 12h.01M18 12h.01",
  install: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
};
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
