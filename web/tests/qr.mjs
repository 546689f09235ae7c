// Reads the QR code that a page shows.
import jsQR from "jsqr";

/** What a phone's camera reads from a picture of the screen. */
export async function scan(page) {
  const picture = await page.locator("svg.qr").screenshot();
  const blank = await page.context().browser().newPage();
  const { data, width, height } = await blank.evaluate(
    async (address) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const { data, width, height } = context.getImageData(0, 0, image.width, image.height);
      return { data: [...data], width, height };
    },
    `data:image/png;base64,${picture.toString("base64")}`,
  );
  await blank.close();
  return jsQR(Uint8ClampedArray.from(data), width, height)?.data;
}
