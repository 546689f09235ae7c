// Compiles the package into dist/: JavaScript modules and their declarations. The core is compiled without DOM types,
// so that it cannot use what Node does not have.
import { spawnSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const tsc = path.join(root, "..", "node_modules", ".bin", "tsc");
rmSync(path.join(root, "dist"), { recursive: true, force: true });
for (const project of ["tsconfig.json", "tsconfig.indexeddb.json"]) {
  const { status } = spawnSync(
    tsc,
    ["-p", project, "--noEmit", "false", "--declaration", "--outDir", "dist", "--rootDir", "src"],
    { cwd: root, stdio: "inherit" },
  );
  if (status !== 0) process.exit(status ?? 1);
}
copyFileSync(path.join(root, "..", "..", "LICENSE"), path.join(root, "LICENSE"));
