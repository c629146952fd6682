/** Makes the image that containers run, from this machine's own files: a root tree, packed and handed to the engine. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { OxbowError, toError } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { ownSearchPath, runOnHost } from '../host-programs.ts'
import {
  appLabel,
  baseLabel,
  browserLabel,
  extrasLabelName,
  findEngine,
  firstLine,
  imageNameOf,
  isNamed,
  isNamedBy,
  listImages,
  makeInstallation,
  startHint,
} from '../container/container-engine.ts'
import type { ContainerEngine } from '../container/container-engine.ts'
import { rootBuildMs } from '../limits.ts'
import { findBrowser } from '../browser.ts'
import { ownName, removeOrphans } from '../kept-files.ts'
import { planRootTree, type RootPlan, type RootTree } from './root-tree.ts'
import type { RootExtra } from './root-entries.ts'

export interface ImageBuild {
  readonly container: Config['sandbox']['container']
  readonly extras: readonly RootExtra[]
  /** Where programs are looked for; the search path of this process when absent. */
  readonly searchPath?: string
  /** For the tree and the packed image; what is made there is removed. */
  readonly workFolder: string
  /** Folder of the installation for what all its workspaces share: its id is there. */
  readonly imageFolder: string
  /** Also removes the images of this installation that the new one replaces. */
  readonly removeOlder?: boolean
}

export interface BuiltImage extends OlderImages {
  readonly engine: ContainerEngine['name']
  readonly image: string
  /** What it was made of; null when the engine had it already. */
  readonly made: { readonly files: number; readonly bytes: number } | null
}

interface OlderImages {
  /** How many were removed. */
  readonly removed: number
  /** Short ids of images that are left: ours for other versions of Oxbow or Node, and those without an installation. */
  readonly others: readonly string[]
}

/** @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image */
export async function buildContainerImage(build: ImageBuild): Promise<BuiltImage> {
  const { container, extras, searchPath = ownSearchPath(), imageFolder, removeOlder = false } = build
  const engine = findEngine(container, searchPath)
  if ('code' in engine) throw toError(engine)
  const plan = await planRootTree({ extras, files: [], searchPath })
  if ('code' in plan) throw toError(plan)
  // Before a minute of copying: the engine may not answer.
  const listed = await listImages(engine, baseLabel)
  if ('code' in listed) throw refusal(engine, listed.message)
  const installation = makeInstallation(imageFolder)
  const image = imageNameOf(installation, plan.key)
  const same = listed.filter(({ name }) => name.endsWith(`:${plan.key}`))
  let made: BuiltImage['made'] = null
  if (same[0] === undefined) made = await importNew(engine, plan, image, build)
  else if (!same.some(({ name }) => name === image)) await must(engine.file, ['tag', same[0].id, image], engine)
  const older = removeOlder ? await removeOlderImages(engine, { newest: image, wanted: container.image, installation }) : nothingOlder
  return { engine: engine.name, image, made, ...older }
}

const nothingOlder: OlderImages = { removed: 0, others: [] }

async function importNew(
  engine: ContainerEngine,
  plan: RootPlan,
  image: string,
  { extras, workFolder }: ImageBuild,
): Promise<{ readonly files: number; readonly bytes: number }> {
  await mkdir(workFolder, { recursive: true, mode: 0o700 })
  await removeOrphans(workFolder)
  // Another build of the same image may run.
  const own = await mkdtemp(`${ownName(join(workFolder, 'build'))}-`)
  try {
    const tree = await plan.write(own)
    const browser = extras.includes('browser') ? findBrowser({ program: '' }) : null
    const named = extras.length === 0 ? [] : [`${extrasLabelName}=${extras.join(',')}`]
    const labels = [appLabel, baseLabel, ...named, ...(browser === null || 'code' in browser ? [] : [browserLabel(browser.program)])]
    await importTree(engine, tree, { image, labels }, join(own, 'root.tar'))
    return { files: tree.files, bytes: tree.bytes }
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
    hint: `Check that the disk has a gigabyte free and that \`${name} info\` works.${startHint(name)}`,
  })
}

/**
 * Removes images of this installation that the newest one replaces. Keeps what a container uses, because the engine refuses to remove
 * it, and what the configuration names. An image that another installation has named too only loses our name. Never rejects.
 * @param wanted what the configuration names; '' is nothing
 */
async function removeOlderImages(
  engine: ContainerEngine,
  { newest, wanted, installation }: { readonly newest: string; readonly wanted: string; readonly installation: string },
): Promise<OlderImages> {
  const ask = (...args: readonly string[]) => runOnHost(engine.file, args, { env: engine.env })
  const [current, all] = [await listImages(engine, baseLabel), await listImages(engine, appLabel)]
  if ('code' in current || 'code' in all) return nothingOlder
  const wantedId = wanted === '' ? '' : (await ask('image', 'inspect', '--format', '{{.Id}}', wanted)).stdout
  const kept = new Set(current.flatMap(({ id, name }) => (name === newest || wantedId.includes(id) ? [id] : [])))
  // Without the newest one, nothing is known to be older.
  if (!current.some(({ name }) => name === newest)) return nothingOlder
  let removed = 0
  for (const { id, name } of current.filter((each) => isNamedBy(installation, each))) {
    if (!kept.has(id) && (await ask('image', 'rm', name)).exitCode === 0) removed += 1
  }
  const ofBase = new Set(current.map(({ id }) => id))
  const others = all.filter((each) => (isNamed(each) ? isNamedBy(installation, each) && !ofBase.has(each.id) : !kept.has(each.id)))
  return { removed, others: [...new Set(others.map(({ id }) => id.slice(0, shortIdLength)))] }
}

/** As engines print ids for people. */
const shortIdLength = 12
