/** A style that a part of the console brings with it, imported as text. */
declare module "*.css" {
  const text: string;
  export default text;
}
