import { scratchFolder } from '../helpers/scratch.ts';
import { $ } from '../helpers/shell.ts';

/** A file system in memory that takes little. Only root may make one. */
export class SmallDisk {
  readonly folder: string;
  readonly #atExit = () => void $({ nothrow: true, sync: true })`umount -l ${this.folder}`;

  private constructor(folder: string) {
    this.folder = folder;
    process.prependOnceListener('exit', this.#atExit); // before the folder around it is taken away
  }

  /** The disk, or why there is none. */
  static async mount(kib: number): Promise<SmallDisk | string> {
    const folder = scratchFolder();
    const { exitCode, stderr } = await $({ nothrow: true })`mount -t tmpfs -o size=${kib}k none ${folder}`;
    return exitCode ? `a small disk could not be mounted: ${stderr.trim()}` : new SmallDisk(folder);
  }

  async resize(kib: number): Promise<void> {
    await $`mount -o remount,size=${kib}k ${this.folder}`;
  }

  async makeReadOnly(): Promise<void> {
    await $`mount -o remount,ro ${this.folder}`;
  }

  async unmount(): Promise<void> {
    process.removeListener('exit', this.#atExit);
    await $`umount -l ${this.folder}`;
  }
}
