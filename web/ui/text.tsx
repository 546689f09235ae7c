/** Text that somebody has written: never markup, and its direction stays inside its own place. */
export function PersonText({ children }: { children: string }) {
  return (
    <bdi dir="auto" class="person-text">
      {children}
    </bdi>
  );
}

/** The address that calls a number. What people write between its digits does not belong there. */
export function phoneAddress(number: string): string {
  return `tel:${number.replace(/[^+\d]/g, "")}`;
}
