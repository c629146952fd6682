/** Questions about the sandbox that need no running guest: `oxbow image build` and `oxbow wasm run`. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import {
  buildContainerImage,
  buildVmImage,
  loadKeptImages,
  maxToolCodeBytes,
  readHostFolder,
  runTool,
  type ToolChange,
  writeHostFolder,
} from '../sandbox/index.ts'
import { OxbowError } from '../base/index.ts'
import type { GuestEnvelope, ImageList, ImageQuestion, ImageReport, ImageToBuild, ToolQuestion, ToolReport } from '../config/index.ts'
import { sandboxFolders } from './host-ways.ts'

/**
 * Builds, lists or removes images for containers and micro VMs.
 * @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image, `not_found`
 */
export async function answerImages(question: ImageQuestion, envelope: GuestEnvelope): Promise<ImageReport | ImageList> {
  if (question.ask === 'build') return buildImage(question, envelope)
  const { findKeptImages, listKeptImages, removeKeptImages } = await loadKeptImages()
  const place = { imageFolder: sandboxFolders(envelope).imageFolder, container: envelope.config.sandbox.container }
  if (question.ask === 'list') return listKeptImages(place)
  const images = await findKeptImages(place, question.names)
  if (!question.dryRun) await removeKeptImages(place, images)
  return { images, problem: '' }
}

async function buildImage(image: ImageToBuild, envelope: GuestEnvelope): Promise<ImageReport> {
  const begin = performance.now()
  const { cacheFolder, imageFolder } = sandboxFolders(envelope)
  const { chosenExtras, keepChosenExtras } = await loadKeptImages()
  const kind = image.vm === undefined ? 'container' : 'vm'
  const extras = image.extras ?? chosenExtras(imageFolder, kind)
  const end = (): Pick<ImageReport, 'with' | 'ms'> => {
    keepChosenExtras(imageFolder, kind, extras)
    return { with: extras, ms: Math.round(performance.now() - begin) }
  }
  if (image.vm !== undefined) {
    const { folder, files, bytes, fresh } = await buildVmImage({ imageFolder, extras, kernel: image.vm.kernel })
    return { engine: 'QEMU', image: folder, made: fresh ? { files, bytes } : null, removed: 0, others: [], ...end() }
  }
  const { container } = envelope.config.sandbox
  const built = await buildContainerImage({
    container: { ...container, engine: image.engine ?? container.engine },
    extras,
    workFolder: join(cacheFolder, 'image'),
    imageFolder,
    removeOlder: true,
  })
  return { ...built, ...end() }
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
