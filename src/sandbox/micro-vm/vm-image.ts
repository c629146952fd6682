/**
 * Builds the image of a micro VM: a kernel, an initramfs, and a root file system with Node and hands. Everything comes from this host and
 * from one Debian package; the folder is named by a hash of it all, so a second build is a no-op.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { OxbowError, toError } from '../../base/index.ts'
import { loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { findProgram, ownSearchPath, runOnHost } from '../host-programs.ts'
import type { RootExtra } from '../image/root-entries.ts'
import { buildRootTree, isRootTree } from '../image/root-tree.ts'
import { keepFile, makeFolder, removeOldest, removeOrphans } from '../kept-files.ts'
import { insideServer, insideState } from '../tier-plan.ts'
import { imageStepMs, maxOldImages, rootImageSpareBytes } from '../limits.ts'
import { initScript, insideHands, reseedProgram, startScript } from './guest-init.ts'
import { findKernelPackage, type GuestKernel, loadKernel, moduleNames } from './kernel-file.ts'
import { currentName, extrasFile, handsMark, handsMarkFile, imageFiles, imagesName, sizeOfImage } from './qemu-command.ts'

/** Three files in a folder that is never changed after its rename. */
export interface VmImage {
  readonly folder: string
  readonly key: string
  readonly files: number
  readonly bytes: number
  /** False if it existed. */
  readonly fresh: boolean
}

export interface VmImageOptions {
  /** Where images, trees and the kernel package are kept. */
  readonly folder: string
  readonly extras: readonly RootExtra[]
  /** See loadKernel. */
  readonly kernel: string | null
  readonly searchPath: string
  /** The file that starts the hands; absent: this installation's. */
  readonly handsEntry?: string | undefined
  /** How many other images to keep, the most recently used; the default if absent. */
  readonly oldImages?: number
}

export interface VmImageBuild {
  /** See TierOptions. */
  readonly imageFolder: string
  readonly extras: readonly RootExtra[]
  /** Empty: the default. */
  readonly kernel: string
}

/** As buildVmImage, in the folder of the tier. */
export function buildVmImageBelow({ imageFolder, extras, kernel }: VmImageBuild): Promise<VmImage> {
  const folder = join(imageFolder, imagesName)
  return buildVmImage({ folder, extras, kernel: kernel === '' ? null : kernel, searchPath: ownSearchPath() })
}

/** @throws OxbowError `sandbox_missing` that says what to install; a system error when the folder cannot be written */
export async function buildVmImage(options: VmImageOptions): Promise<VmImage> {
  if (options.extras.includes('browser')) {
    throw new OxbowError('bad_input', 'A micro VM has no browser: emulated, a page would take minutes to open.', {
      hint: 'Leave browser out of --with, or set sandbox.tier = "container".',
    })
  }
  // Checked before anything is copied.
  const mke2fs = findProgram('mke2fs', options.searchPath)
  if (mke2fs === null) {
    throw new OxbowError('sandbox_missing', 'An image cannot be made: mke2fs not found on this machine.', {
      hint: 'Install with: apt-get install e2fsprogs.',
    })
  }
  const kernels = join(options.folder, 'kernel')
  await mkdir(kernels, { recursive: true, mode: 0o700 })
  await removeOrphans(kernels)
  const packageFile = await findKernelPackage(options.kernel, kernels)
  const hands = await loadHandsProgram(options.handsEntry)
  const tree = await buildRootTree(join(options.folder, 'trees'), {
    extras: options.extras,
    files: [{ path: insideHands, text: hands }],
    folders: ['/skills', insideServer, insideState],
    searchPath: options.searchPath,
  })
  if (!isRootTree(tree)) throw toError(tree)
  const scripts = [initScript(moduleNames), startScript]
  const hash = createHash('sha256').update(await readFile(packageFile))
  const key = hash
    .update(JSON.stringify([tree.key, scripts]))
    .digest('hex')
    .slice(0, 24)
  const folder = join(options.folder, key)
  const parts = async (): Promise<ImageParts> => ({
    kernel: await loadKernel(packageFile, kernels),
    scripts,
    tree,
    mark: handsMark(hands),
    extras: options.extras,
    mke2fs,
  })
  const fresh = await makeFolder(folder, async (draft) => writeImage(draft, await parts()))
  // Atomic: another process may start a machine now.
  keepFile(join(options.folder, currentName), key)
  // A running machine has its files open.
  const isOlder = (name: string): boolean => /^[0-9a-f]{24}$/.test(name) && name !== key && name !== tree.key
  for (const place of [options.folder, join(options.folder, 'trees')]) await removeOldest(place, isOlder, options.oldImages ?? maxOldImages)
  return { folder, key, files: tree.files, bytes: await sizeOfImage(folder), fresh }
}

function packFirstFiles(busybox: Buffer, kernel: GuestKernel, [init, start]: readonly string[]): Buffer {
  return packInitramfs(
    ['bin', 'dev', 'modules', 'proc', 'root', 'sys', 'work'],
    [
      { path: 'bin/busybox', data: busybox, mode: 0o755 },
      { path: 'bin/reseed', data: reseedProgram(), mode: 0o755 },
      { path: 'init', data: Buffer.from(init!), mode: 0o755 },
      { path: 'start', data: Buffer.from(start!), mode: 0o755 },
      ...kernel.modules.map(({ name, data }) => ({ path: `modules/${name}.ko`, data, mode: 0o644 })),
    ],
  )
}

interface ImageParts {
  readonly kernel: GuestKernel
  readonly scripts: readonly string[]
  readonly tree: { readonly root: string; readonly bytes: number }
  readonly mark: string
  readonly extras: readonly RootExtra[]
  /** Absolute path. */
  readonly mke2fs: string
}

async function writeImage(folder: string, { kernel, scripts, tree, mark, extras, mke2fs }: ImageParts): Promise<void> {
  await writeFile(join(folder, imageFiles.kernel), kernel.vmlinux)
  const busybox = await readFile(join(tree.root, 'bin/busybox'))
  await writeFile(join(folder, imageFiles.initramfs), packFirstFiles(busybox, kernel, scripts))
  const mib = Math.ceil((tree.bytes + rootImageSpareBytes) / 1024 / 1024)
  const form = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-b', '4096', '-m', '0', '-d', tree.root]
  const made = await runOnHost(mke2fs, [...form, join(folder, imageFiles.root), `${mib}M`], { timeoutMs: imageStepMs })
  if (made.exitCode !== 0) {
    throw new OxbowError('sandbox_missing', `The root file system of the machine could not be made: ${made.stderr}`, {
      hint: 'Check that the disk has space.',
    })
  }
  await writeFile(join(folder, extrasFile), extras.join(','))
  await writeFile(join(folder, handsMarkFile), mark)
}

// The initramfs: a cpio archive that the kernel unpacks into memory, with busybox, modules and our init.

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
