/** The first files of the guest, as a cpio archive that the kernel unpacks into memory: busybox, modules, and our init. */
import { gzipSync } from 'node:zlib'

export interface InitramfsFile {
  readonly path: string
  readonly data: Buffer
  readonly mode: number
}

const folderMode = 0o040_755
const fileType = 0o100_000
/** /dev/console: a character device, 5:1. Without it init has no standard output. */
const console = { path: 'dev/console', mode: 0o020_600, major: 5, minor: 1 }

/** @returns a packed archive; the same files make the same bytes. */
export function packInitramfs(folders: readonly string[], files: readonly InitramfsFile[]): Buffer {
  const entries = [
    ...folders.map((path) => entry(path, folderMode)),
    entry(console.path, console.mode, Buffer.alloc(0), console.major, console.minor),
    ...files.map(({ path, data, mode }) => entry(path, fileType | mode, data)),
    entry('TRAILER!!!', 0),
  ]
  return gzipSync(Buffer.concat(entries), { level: 1 })
}

/** cpio(5), "New ASCII format": thirteen numbers of eight hex digits, the name, the data; both end on a multiple of four. */
function entry(path: string, mode: number, data: Buffer = Buffer.alloc(0), major = 0, minor = 0): Buffer {
  const name = Buffer.from(`${path}\0`)
  const numbers = [0, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0]
  const head = Buffer.from(`070701${numbers.map((each) => each.toString(16).padStart(8, '0')).join('')}`)
  return Buffer.concat([padded(Buffer.concat([head, name])), padded(data)])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}
