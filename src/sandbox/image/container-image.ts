/** Makes the image that containers run, from this machine's own files: a root tree, packed and handed to the engine. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { OxbowError, toError } from '../../types/index.ts'
import type { Config } from '../../types/index.ts'
import { ownSearchPath } from '../bubblewrap/sandbox-tools.ts'
import { findEngine, firstLine, saysNoImage } from '../container/container-engine.ts'
import type { ContainerEngine } from '../container/container-engine.ts'
import { rootBuildMs } from '../limits.ts'
import { runOnHost } from './host-command.ts'
import { findBrowser } from '../browser/find-browser.ts'
import { appLabel, baseLabel, browserLabel, imageName } from './image-label.ts'
import { ownName, removeOrphans } from './made-files.ts'
import { removeOlderImages } from './older-images.ts'
import type { OlderImages } from './older-images.ts'
import { planRootTree } from './root-tree.ts'
import type { RootTree } from './root-tree.ts'
import type { RootExtra } from './root-parts.ts'

export interface ImageBuild {
  readonly container: Config['sandbox']['container']
  readonly extras: readonly RootExtra[]
  /** Where programs are looked for; the search path of this process when absent. */
  readonly searchPath?: string
  /** For the tree and the packed image; what is made there is removed. */
  readonly workFolder: string
  /** Also removes those that it takes the place of. Not by default: who keeps several for different uses would lose them. */
  readonly removeOlder?: boolean
}

export interface BuiltImage extends OlderImages {
  readonly engine: ContainerEngine['name']
  readonly image: string
  /** What it was made of; null when the engine had it already. */
  readonly made: { readonly files: number; readonly bytes: number } | null
}

/** @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image */
export async function buildContainerImage({
  container,
  extras,
  searchPath = ownSearchPath(),
  workFolder,
  removeOlder = false,
}: ImageBuild): Promise<BuiltImage> {
  const engine = findEngine(container, searchPath)
  if ('code' in engine) throw toError(engine)
  const plan = await planRootTree({ extras, files: [], searchPath })
  if ('code' in plan) throw toError(plan)
  const image = `${imageName}:${plan.key}`
  const older = async (): Promise<OlderImages> =>
    removeOlder ? removeOlderImages(engine, image, container.image) : { removed: 0, others: [] }
  const known = await runOnHost(engine.file, ['image', 'inspect', '--format', '{{.Id}}', image], { env: engine.env })
  if (known.exitCode === 0) return { engine: engine.name, image, made: null, ...(await older()) }
  // Else a minute of copying would come before the news that there is no service.
  if (!saysNoImage(known.stderr)) throw refusal(engine, known.stderr)
  await mkdir(workFolder, { recursive: true, mode: 0o700 })
  await removeOrphans(workFolder)
  // Another build of the same image may run.
  const own = await mkdtemp(`${ownName(join(workFolder, 'build'))}-`)
  try {
    const tree = await plan.write(own)
    const browser = extras.includes('browser') ? findBrowser({ program: '' }) : null
    const labels = [appLabel, baseLabel, ...(browser === null || 'code' in browser ? [] : [browserLabel(browser.program)])]
    await importTree(engine, tree, { image, labels }, join(own, 'root.tar'))
    return { engine: engine.name, image, made: { files: tree.files, bytes: tree.bytes }, ...(await older()) }
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}

async function importTree(
  engine: ContainerEngine,
  { root }: RootTree,
  { image, labels }: { readonly image: string; readonly labels: readonly string[] },
  archive: string,
): Promise<void> {
  const changes = labels.flatMap((label) => ['--change', `LABEL ${label}`])
  const pack = ['--sort=name', '--format=gnu', '--owner=0', '--group=0', '--numeric-owner', '-C', root, '-cf', archive, '.']
  await must('tar', pack, engine)
  await must(engine.file, ['import', ...changes, archive, image], engine)
}

async function must(file: string, args: readonly string[], { env, name }: ContainerEngine): Promise<void> {
  const { exitCode, stderr } = await runOnHost(file, args, { env, timeoutMs: rootBuildMs })
  if (exitCode !== 0) throw refusal({ name }, stderr)
}

function refusal({ name }: Pick<ContainerEngine, 'name'>, stderr: string): OxbowError {
  return new OxbowError('sandbox_failed', `The image could not be made: ${firstLine(stderr)}`, {
    hint: `Check that the disk has a gigabyte free and that \`${name} info\` works.`,
  })
}
