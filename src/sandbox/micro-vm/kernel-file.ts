/**
 * The guest's kernel and its modules, out of Debian's cloud kernel package. The package is unpacked, not installed: the host boots as
 * before.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import { runOnHost } from '../host-programs.ts'
import { ownName } from '../kept-files.ts'
import { imageStepMs } from '../limits.ts'

export interface GuestKernel {
  /** Uncompressed ELF: QEMU boots it directly (PVH), and the guest need not unpack it. */
  readonly vmlinux: Buffer
  /** In the order in which they must be loaded. */
  readonly modules: readonly { readonly name: string; readonly data: Buffer }[]
}

/** What a machine of type microvm needs to see its disks and ports; each after its dependencies. */
export const moduleNames: readonly string[] = ['virtio_ring', 'virtio', 'virtio_mmio', 'virtio_blk', 'virtio_console']

/** Frame of `lz4 -l`. */
const lz4Magic = 0x18_4c_21_02

const metaPackage = 'linux-image-cloud-amd64'

/**
 * @param packagePath a kernel package of Debian; null: the one in the folder, else the newest is downloaded into it
 * @throws OxbowError `sandbox_missing` when no kernel is found
 */
export async function findKernelPackage(packagePath: string | null, folder: string): Promise<string> {
  if (packagePath !== null && !existsSync(packagePath)) throw refused(`the file does not exist: ${packagePath}`)
  return packagePath ?? (await keptPackage(folder)) ?? (await download(folder))
}

/** @throws OxbowError `sandbox_missing` when the package is invalid */
export async function loadKernel(file: string, folder: string): Promise<GuestKernel> {
  const unpacked = ownName(join(folder, 'unpacked'))
  try {
    await run('dpkg-deb', ['--extract', file, unpacked])
    const [image] = (await readdir(join(unpacked, 'boot'))).filter((name) => name.startsWith('vmlinuz-'))
    if (image === undefined) throw refused(`${file} contains no kernel`)
    const modules = await findModules(join(unpacked, 'lib/modules', image.slice('vmlinuz-'.length)))
    return { vmlinux: await decompress(await readFile(join(unpacked, 'boot', image)), unpacked), modules }
  } finally {
    await rm(unpacked, { recursive: true, force: true })
  }
}

async function keptPackage(folder: string): Promise<string | null> {
  const [newest] = (await readdir(folder))
    .filter((name) => name.endsWith('.deb'))
    .toSorted()
    .toReversed()
  return newest === undefined ? null : join(folder, newest)
}

async function download(folder: string): Promise<string> {
  const [, name] = /Depends: (linux-image-[\w.+-]+)/.exec(await run('apt-cache', ['depends', metaPackage])) ?? []
  if (name === undefined) throw refused(`apt has no package ${metaPackage}`)
  const incoming = ownName(join(folder, 'incoming'))
  try {
    await mkdir(incoming, { recursive: true })
    await run('sh', ['-c', 'cd "$0" && exec apt-get -qq download "$1"', incoming, name])
    const [file] = await readdir(incoming)
    if (file === undefined) throw refused(`apt-get did not download ${name}`)
    await rename(join(incoming, file), join(folder, file))
    return join(folder, file)
  } finally {
    await rm(incoming, { recursive: true, force: true })
  }
}

async function findModules(folder: string): Promise<GuestKernel['modules']> {
  const entries = await readdir(folder, { recursive: true })
  return Promise.all(
    moduleNames.map(async (name) => {
      const path = entries.find((entry) => entry.endsWith(`/${name}.ko`))
      if (path === undefined) throw refused(`the kernel package has no module ${name}`)
      return { name, data: await readFile(join(folder, path)) }
    }),
  )
}

/**
 * Takes the kernel proper out of a bzImage. Offsets: Linux, Documentation/x86/boot.rst; the last four bytes of the payload
 * are its size when unpacked.
 */
async function decompress(image: Buffer, folder: string): Promise<Buffer> {
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') throw refused('the kernel is not a bzImage')
  const start = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248)
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c))
  if (payload.length < 8 || payload.readUInt32LE(0) !== lz4Magic) throw refused('the kernel is not compressed with lz4')
  const [packed, plain] = [join(folder, 'kernel.lz4'), join(folder, 'vmlinux')]
  await writeFile(packed, payload.subarray(0, -4))
  await run('lz4', ['-d', '-f', '-q', packed, plain])
  const vmlinux = await readFile(plain)
  if (vmlinux.toString('latin1', 0, 4) !== '\x7FELF') throw refused('the unpacked kernel is not an ELF file')
  return vmlinux
}

/** @returns what it printed. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runOnHost(program, args, { timeoutMs: imageStepMs })
  if (exitCode !== 0) throw refused(`${program} failed: ${stderr}`)
  return stdout
}

function refused(why: string): OxbowError {
  return new OxbowError('sandbox_missing', `No kernel for the machine: ${why}.`, {
    hint: 'Pass the file of a Debian package linux-image-…-cloud-amd64: oxbow image build --vm --kernel FILE',
  })
}
