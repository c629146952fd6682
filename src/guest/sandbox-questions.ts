/** Questions about the sandbox that need no running guest: `oxbow image build` and `oxbow wasm run`. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import {
  buildContainerImage,
  buildVmImage,
  maxToolCodeBytes,
  readHostFolder,
  runTool,
  type ToolChange,
  writeHostFolder,
} from '../sandbox/index.ts'
import { type GuestEnvelope, type ImageQuestion, type ImageReport, OxbowError, type ToolQuestion, type ToolReport } from '../types/index.ts'
import { sandboxFolders } from './host-ways.ts'

/** Makes an image for containers or micro VMs. @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image */
export async function buildImage(image: ImageQuestion, envelope: GuestEnvelope): Promise<ImageReport> {
  const begin = performance.now()
  const { cacheFolder, imageFolder } = sandboxFolders(envelope)
  if (image.vm !== undefined) {
    const { folder, files, bytes, fresh } = await buildVmImage({ imageFolder, extras: image.extras, kernel: image.vm.kernel })
    const made = fresh ? { files, bytes } : null
    return { engine: 'QEMU', image: folder, made, removed: 0, others: [], ms: Math.round(performance.now() - begin) }
  }
  const { container } = envelope.config.sandbox
  const built = await buildContainerImage({
    container: { ...container, engine: image.engine ?? container.engine },
    extras: image.extras,
    workFolder: join(cacheFolder, 'image'),
    imageFolder,
    removeOlder: true,
  })
  return { ...built, ms: Math.round(performance.now() - begin) }
}

/**
 * Runs a tool from a file, with the folders that the user names and no other access to the host.
 * @throws OxbowError for a file or folder that cannot be used; failures of the tool itself are in the report
 */
export async function runToolFile(
  { file, mounts, function: exportName, input, limits }: ToolQuestion,
  signal: AbortSignal,
): Promise<ToolReport> {
  const code = await readCode(file)
  const folders = await Promise.all(mounts.map(({ folder, mode }) => readHostFolder(folder, mode)))
  const kind = /\.[cm]?js$/.test(file) ? 'js' : exportName === undefined ? 'wasi' : 'abi'
  const outcome = await runTool({
    kind,
    code,
    input,
    limits,
    signal,
    mounts: folders.map(({ mount }) => mount),
    ...(exportName !== undefined && { function: exportName }),
  })
  const leftOut = folders.flatMap((folder) => folder.leftOut.map((path) => `${folder.mount.guest}/${path}`))
  const { stdout, stderr, ms } = outcome
  if (!outcome.ok) {
    return { kind, stdout, stderr, ms, leftOut, failure: outcome.failure, exitCode: null, output: null, changes: [] }
  }
  for (const folder of folders) await writeHostFolder(folder, outcome.changes)
  const { exitCode, output } = outcome
  return { kind, stdout, stderr, ms, leftOut, failure: null, exitCode, output, changes: outcome.changes.map(describeChange) }
}

async function readCode(path: string): Promise<Uint8Array> {
  const file = await open(path).catch((cause: unknown) => {
    throw new OxbowError('not_found', `${path} cannot be read`, { hint: 'Give a .wasm module, or a .js or .mjs file.', cause })
  })
  try {
    const stat = await file.stat()
    if (stat.isFile() && stat.size <= maxToolCodeBytes) return await file.readFile()
    throw new OxbowError('bad_input', `${path} is not a file of at most ${maxToolCodeBytes} bytes`, { hint: 'Give a smaller module.' })
  } finally {
    await file.close()
  }
}

function describeChange(change: ToolChange): ToolReport['changes'][number] {
  return { kind: change.kind, path: change.path, bytes: change.kind === 'written' ? change.bytes.length : 0 }
}
