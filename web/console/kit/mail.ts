/** The address that writes to an e-mail address. A `?` or `&` in it must not add headers such as `bcc`. */
export function mailAddress(email: string): string {
  return `mailto:${encodeURIComponent(email).replaceAll("%40", "@")}`;
}
