/**
 * Finds the engine that makes containers, and the image to run.
 *
 * An engine keeps its images for all of a user's homes, or for the whole machine. Each home, an installation, gives the images that it
 * builds a name with its own id in it, runs the newest of those, and removes no others. Two installations that build the same image
 * share it under two names; the engine keeps it until the last name is gone.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ownValue, setOwn, truncate } from '../../base/index.ts'
import { engineVariables } from '../../config/index.ts'
import type { Failure } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { findProgram, ownSearchPath, runOnHost } from '../host-programs.ts'

export interface ContainerEngine {
  readonly name: 'podman' | 'docker'
  /** Absolute path. */
  readonly file: string
  /** The engine's environment: where its configuration, its storage and its service are. */
  readonly env: NodeJS.ProcessEnv
  /** Containers run without root, which cannot set every limit. */
  readonly rootless: boolean
}

type Settings = Config['sandbox']['container']

/** @returns the configured engine, or the first that is complete; else what the first installed one lacks */
export function findEngine({ engine, kernel }: Pick<Settings, 'engine' | 'kernel'>, searchPath: string): ContainerEngine | Failure {
  const find = (program: string): string | null => findProgram(program, searchPath)
  const names = engine === 'auto' ? (['podman', 'docker'] as const) : [engine]
  let lacking: Failure | null = null
  for (const name of names) {
    const file = find(name)
    if (file === null) continue
    const absent = name === 'podman' ? absentHelpers(kernel, find) : []
    if (absent.length === 0)
      return { name, file, env: engineEnvironment(searchPath), rootless: name === 'podman' && process.getuid?.() !== 0 }
    lacking = missing(`podman lacks ${absent.join(' and ')}`, `apt-get install ${absent.join(' ')}`)
  }
  const packages = engine === 'docker' ? 'docker.io' : 'podman runc catatonit'
  return lacking ?? missing(`${names.join(' or ')} is not installed`, `apt-get install ${packages}`)
}

/** What podman starts containers with. */
function absentHelpers(kernel: Settings['kernel'], find: (program: string) => string | null): readonly string[] {
  const runtime = kernel === 'gvisor' ? 'runsc' : 'runc'
  const hasCatatonit = find('catatonit') !== null || catatonitPlaces.some((path) => existsSync(path))
  return [...(find(runtime) === null ? [runtime] : []), ...(hasCatatonit ? [] : ['catatonit'])]
}

/** Podman starts it as the first process of a container, and searches these paths. */
const catatonitPlaces = ['/usr/libexec/podman/catatonit', '/usr/lib/podman/catatonit', '/usr/libexec/catatonit/catatonit']

function missing(what: string, install: string): Failure {
  const message = `No containers: ${what}. File and shell tools are off.`
  return { code: 'sandbox_missing', message, hint: `Install with: ${install} (or your system's packages of that name).` }
}

function engineEnvironment(searchPath: string): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = { PATH: searchPath, HOME: homedir() }
  for (const name of ['HOME', 'USER', ...engineVariables]) {
    const value = ownValue(process.env, name)
    if (value !== undefined) setOwn(kept, name, value)
  }
  return kept
}

/** Increased when hands need something that older images lack. */
const imageRecipe = 1

export const appLabel = 'app=oxbow'
/** Hands are mounted at their start, so an image outlives them; Node must be the version that they were tested with. */
export const baseLabel: string = `oxbow.base=${imageRecipe}-${process.version}-${process.arch}`
/** Label of an image with Chromium: the path of the program. */
const browserLabelName = 'oxbow.browser'
/** Label of an image with programs that a person has chosen: their names, separated by commas. */
export const extrasLabelName = 'oxbow.with'
const imageName = 'localhost/oxbow/hands'

/** @returns the name of an image of this installation */
export function imageNameOf(installation: string, key: string): string {
  return `${imageName}-${installation}:${key}`
}

export function browserLabel(program: string): string {
  return `${browserLabelName}=${program}`
}

/** @param labels as engines print them: `map[app:oxbow oxbow.browser:/usr/lib/…]`. @returns '' without one */
function browserIn(labels: string): string {
  return new RegExp(`\\b${browserLabelName.replace('.', '\\.')}:(/[\\w./-]+)`).exec(labels)?.[1] ?? ''
}

const installationFile = (imageFolder: string): string => join(imageFolder, 'installation')

/** @param imageFolder of the home. @returns its id; '' for a home that has built no image */
export function installationOf(imageFolder: string): string {
  try {
    return /^[0-9a-f]{12}$/.exec(readFileSync(installationFile(imageFolder), 'utf8'))?.[0] ?? ''
  } catch {
    return ''
  }
}

/** Creates the id if it is missing. @throws a system error when it cannot be written */
export function makeInstallation(imageFolder: string): string {
  if (installationOf(imageFolder) === '') {
    mkdirSync(imageFolder, { recursive: true, mode: 0o700 })
    // Another build may do the same: both use the id that was written first.
    try {
      writeFileSync(installationFile(imageFolder), randomBytes(6).toString('hex'), { flag: 'wx', mode: 0o600 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  return installationOf(imageFolder)
}

/** An image under one of its names. */
export interface NamedImage {
  /** All 64 digits. */
  readonly id: string
  /** `name:tag`; `<none>:<none>` for an image without a name. */
  readonly name: string
  /** As podman prints them; docker does not list them. */
  readonly labels: string | null
}

/** @returns the images with this label, the newest first, once for each name; or why the engine cannot list them */
export async function listImages({ name: engine, file, env }: ContainerEngine, label: string): Promise<readonly NamedImage[] | Failure> {
  const fields = `{{.ID}} {{.Repository}}:{{.Tag}}${engine === 'podman' ? ' {{.Labels}}' : ''}`
  const args = ['images', '--no-trunc', '--filter', `label=${label}`, '--format', fields]
  const { exitCode, stdout, stderr } = await runOnHost(file, args, { env })
  if (exitCode !== 0) return noAnswer(engine, '', stderr)
  const rows = stdout.matchAll(/^(?:sha256:)?([0-9a-f]{64}) (\S+)(?: (.*))?$/gm)
  return [...rows].map(([, id = '', name = '', labels = null]) => ({ id, name, labels }))
}

/** @returns whether the image has a name that this installation gave it */
export function isNamedBy(installation: string, { name }: NamedImage): boolean {
  return installation !== '' && name.startsWith(imageNameOf(installation, ''))
}

/** @returns whether any installation has named the image */
export function isNamed({ name }: NamedImage): boolean {
  return name.startsWith(`${imageName}-`)
}

export interface FoundImage {
  /** Its id. */
  readonly image: string
  /** Chromium inside; '' without one. */
  readonly browser: string
}

/**
 * Takes 40 ms with podman; docker needs two queries.
 * @param wanted '' for the newest image of this installation, or of any other if this one has built none
 */
export async function findImage(engine: ContainerEngine, wanted: string, installation: string): Promise<FoundImage | Failure> {
  if (wanted !== '') return inspectImage(engine, wanted)
  const listed = await listImages(engine, baseLabel)
  if ('code' in listed) return listed
  const newest = listed.find((image) => isNamedBy(installation, image)) ?? listed[0]
  if (newest === undefined) return noImage('')
  return newest.labels === null ? inspectImage(engine, newest.id) : { image: newest.id, browser: browserIn(newest.labels) }
}

async function inspectImage({ name, file, env }: ContainerEngine, wanted: string): Promise<FoundImage | Failure> {
  const args = ['image', 'inspect', '--format', '{{.Id}} {{.Config.Labels}}', wanted]
  const { exitCode, stdout, stderr } = await runOnHost(file, args, { env })
  const [, image, labels = ''] = /^(?:sha256:)?([0-9a-f]{64})(?: (.*))?$/m.exec(stdout) ?? []
  if (image !== undefined) return { image, browser: browserIn(labels) }
  return exitCode === 0 || saysNoImage(stderr) ? noImage(wanted) : noAnswer(name, wanted, stderr)
}

function noImage(wanted: string): Failure {
  return { code: 'sandbox_missing', message: 'There is no image for containers. File and shell tools are off.', hint: imageHint(wanted) }
}

function noAnswer(engine: ContainerEngine['name'], wanted: string, stderr: string): Failure {
  return {
    code: 'sandbox_missing',
    message: `${engine} does not respond: ${firstLine(stderr)}`,
    hint: `Check that \`${engine} images\` works${wanted === '' ? '' : ', and sandbox.container.image'}.${startHint(engine)}`,
  }
}

/** @returns what makes an engine answer whose client is installed and whose service is not there; '' for one without a service */
export function startHint(engine: ContainerEngine['name']): string {
  if (engine !== 'docker') return ''
  const start = existsSync('/run/systemd/system') ? 'systemctl start docker' : 'dockerd'
  const service =
    process.getuid?.() === 0 ? `Start its service: \`${start}\`;` : `Start its service (as root: \`${start}\`) and join the group docker;`
  const podman =
    findProgram('podman', ownSearchPath()) === null
      ? 'install podman, which needs no service, and'
      : 'use podman, which is here and needs no service:'
  return ` ${service} or ${podman} \`oxbow config set sandbox.container.engine podman\`.`
}

/** @param text output of podman or docker */
export function saysNoImage(text: string): boolean {
  return /image not known|no such (?:image|object)|unable to find image/i.test(text)
}

export function imageHint(wanted: string): string {
  return wanted === ''
    ? 'Build it once with: oxbow image build'
    : 'Check sandbox.container.image in config.toml, or leave it empty and run: oxbow image build'
}

const maxLineChars = 300

/** @returns the line with the error: unrelated warnings come before it */
export function firstLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return truncate(lines.find((line) => /^(?:Error|error|docker):/.test(line)) ?? lines.at(-1) ?? 'it printed nothing', maxLineChars)
}
