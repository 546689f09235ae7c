/** Text that somebody has written: never markup, and its direction stays inside its own place. */
export function PersonText({ children }: { children: string }) {
  return (
    <bdi dir="auto" class="person-text">
      {children}
    </bdi>
  );
}
