/** The images of a home, for containers and for micro VMs: what there is, what is in each, and their removal. */
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Failure, OxbowError } from '../../base/index.ts'
import type { Config, KeptImage } from '../../config/index.ts'
import { ownSearchPath, runOnHost } from '../host-programs.ts'
import {
  appLabel,
  baseLabel,
  type ContainerEngine,
  extrasLabelName,
  findEngine,
  firstLine,
  installationOf,
  isNamedBy,
  listImages,
} from '../container/container-engine.ts'
import { currentName, extrasFile, imagesName, sizeOfImage } from '../micro-vm/qemu-command.ts'

export interface ImagesPlace {
  /** Folder of the installation for what all its workspaces share. */
  readonly imageFolder: string
  readonly container: Config['sandbox']['container']
}

interface FoundImages {
  readonly images: readonly KeptImage[]
  /** Why container images are not known. */
  readonly problem: string
}

/** @returns the images that this home has built, the newest first within a kind */
export async function listKeptImages(place: ImagesPlace): Promise<FoundImages> {
  const machines = await machineImages(place.imageFolder)
  const installation = installationOf(place.imageFolder)
  // A home that has built none asks no engine.
  if (installation === '') return { images: machines, problem: '' }
  const engine = findEngine(place.container, ownSearchPath())
  if ('code' in engine) return { images: machines, problem: engine.message }
  const containers = await containerImages(engine, installation)
  return 'code' in containers ? { images: machines, problem: containers.message } : { images: [...containers, ...machines], problem: '' }
}

/** @param wanted names as the list has them, or their last part. @throws OxbowError `not_found` */
export async function findKeptImages(place: ImagesPlace, wanted: readonly string[]): Promise<readonly KeptImage[]> {
  const { images, problem } = await listKeptImages(place)
  return wanted.map((name) => {
    const found = images.find((image) => image.name === name || image.name.endsWith(`:${name}`) || image.name.endsWith(`/${name}`))
    if (found !== undefined) return found
    throw new OxbowError('not_found', `This home has no image ${name}.${problem === '' ? '' : ` ${problem}`}`, {
      hint: '`oxbow image list` shows those that it has.',
    })
  })
}

/** @throws OxbowError `sandbox_failed` where one is in use */
export async function removeKeptImages(place: ImagesPlace, images: readonly KeptImage[]): Promise<void> {
  for (const image of images) await (image.kind === 'vm' ? removeMachineImage(place, image) : removeContainerImage(place, image))
}

async function containerImages(engine: ContainerEngine, installation: string): Promise<readonly KeptImage[] | Failure> {
  const [all, fitting] = [await listImages(engine, appLabel), await listImages(engine, baseLabel)]
  if ('code' in all) return all
  if ('code' in fitting) return fitting
  const own = all.filter((image) => isNamedBy(installation, image))
  const used = fitting.find((image) => isNamedBy(installation, image))?.name
  const format = `{{.Size}} {{index .Config.Labels "${extrasLabelName}"}}`
  return Promise.all(
    own.map(async ({ name, id }) => {
      const { stdout } = await runOnHost(engine.file, ['image', 'inspect', '--format', format, id], { env: engine.env })
      const [bytes = '', extras = ''] = stdout.trim().split(' ')
      return { kind: 'container', name, bytes: Number(bytes), with: extrasIn(extras), used: name === used } as const
    }),
  )
}

async function machineImages(imageFolder: string): Promise<readonly KeptImage[]> {
  const folder = join(imageFolder, imagesName)
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^[0-9a-f]{24}$/.test(name))
  const current = await readText(join(folder, currentName))
  const images = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const [extras, bytes, { mtimeMs }] = await Promise.all([readText(join(path, extrasFile)), sizeOfImage(path), stat(path)])
      return { at: mtimeMs, image: { kind: 'vm', name: path, bytes, with: extrasIn(extras), used: name === current.trim() } as const }
    }),
  )
  return images.toSorted((a, b) => b.at - a.at).map(({ image }) => image)
}

const extrasIn = (text: string): readonly string[] =>
  text
    .trim()
    .split(',')
    .filter((name) => /^[a-z]+$/.test(name))

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

async function removeContainerImage({ container }: ImagesPlace, { name }: KeptImage): Promise<void> {
  const engine = findEngine(container, ownSearchPath())
  if ('code' in engine) throw new OxbowError('sandbox_missing', engine.message, { hint: engine.hint })
  const { exitCode, stderr } = await runOnHost(engine.file, ['image', 'rm', name], { env: engine.env })
  if (exitCode !== 0)
    throw new OxbowError('sandbox_failed', `${name} was not removed: ${firstLine(stderr)}`, {
      hint: 'Stop what runs in it, such as with oxbow stop, and repeat the command.',
    })
}

/** A running machine has its files open and continues. */
async function removeMachineImage({ imageFolder }: ImagesPlace, { name, used }: KeptImage): Promise<void> {
  await rm(name, { recursive: true, force: true })
  if (used) await rm(join(imageFolder, imagesName, currentName), { force: true })
}
