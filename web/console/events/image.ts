/** The image of a plan, small enough to be sent and to be loaded at a venue. */

/** The service takes no larger one. */
export const LARGEST_BYTES = 512 * 1024;
/** Of the longer side, in pixels: a plan has small print. */
const SIDES = [3000, 2400, 1800, 1400, 1000];
const QUALITIES = [0.9, 0.75, 0.6];

export interface PlanImage {
  /** A `data:` URL. */
  url: string;
  bytes: number;
  width: number;
  height: number;
}

/** The largest and best version that is small enough. Throws when the file is no image. */
export async function scaledImage(file: Blob): Promise<PlanImage> {
  const bitmap = await createImageBitmap(file);
  try {
    for (const side of SIDES) {
      const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
      const canvas = draw(bitmap, scale);
      for (const quality of QUALITIES) {
        const blob = await encode(canvas, quality);
        if (blob.size > LARGEST_BYTES) continue;
        return { url: await urlOf(blob), bytes: blob.size, width: canvas.width, height: canvas.height };
      }
    }
    throw new Error("there is no version of this image that is small enough");
  } finally {
    bitmap.close();
  }
}

export function sizeOf(url: string): Promise<{ width: number; height: number }> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => reject(new Error("this is no image"));
    image.src = url;
  });
}

function draw(bitmap: ImageBitmap, scale: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser cannot draw");
  context.imageSmoothingQuality = "high";
  // JPEG knows no transparency, and plans are drawn on paper.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** As WebP, or as JPEG by browsers that cannot write it. */
async function encode(canvas: HTMLCanvasElement, quality: number): Promise<Blob> {
  const as = (type: string) => new Promise<Blob | null>((done) => canvas.toBlob(done, type, quality));
  const webp = await as("image/webp");
  const blob = webp?.type === "image/webp" ? webp : await as("image/jpeg");
  if (!blob) throw new Error("this browser cannot write images");
  return blob;
}

function urlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
