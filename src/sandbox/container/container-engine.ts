/** Finds the engine that makes containers, and the image to run. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { engineVariables } from '../../types/index.ts'
import type { Config, Failure } from '../../types/index.ts'
import { findProgram } from '../bubblewrap/sandbox-tools.ts'
import { runOnHost } from '../image/host-command.ts'
import { baseLabel, browserIn } from '../image/image-label.ts'

export interface ContainerEngine {
  readonly name: 'podman' | 'docker'
  /** Absolute path. */
  readonly file: string
  /** All that the engine gets of the environment: where its configuration, its storage and its service are. */
  readonly env: NodeJS.ProcessEnv
  /** Containers belong to a person without root's rights, who cannot set every limit. */
  readonly rootless: boolean
}

type Settings = Config['sandbox']['container']

/** @returns the engine that was asked for, or the first that has all it needs; else what the first that is there lacks */
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

/** Podman starts it as the first process of a container; these are its own places for it. */
const catatonitPlaces = ['/usr/libexec/podman/catatonit', '/usr/lib/podman/catatonit', '/usr/libexec/catatonit/catatonit']

function missing(what: string, install: string): Failure {
  const message = `No containers: ${what}. File and shell tools are off.`
  return { code: 'sandbox_missing', message, hint: `Install with: ${install} (or your system's packages of that name).` }
}

function engineEnvironment(searchPath: string): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = { PATH: searchPath, HOME: homedir() }
  for (const name of ['HOME', 'USER', ...engineVariables]) if (process.env[name] !== undefined) kept[name] = process.env[name]
  return kept
}

export interface FoundImage {
  /** Its id. */
  readonly image: string
  /** Chromium inside; '' where there is none. */
  readonly browser: string
}

/** @param wanted '' for the newest that `oxbow image build` made. Takes the engine 40 ms; docker lists no labels and is asked twice. */
export async function findImage(engine: ContainerEngine, wanted: string): Promise<FoundImage | Failure> {
  const labelled = engine.name === 'podman' ? ' {{.Labels}}' : ''
  const list =
    wanted === ''
      ? ['images', '--filter', `label=${baseLabel}`, '--format', `{{.ID}}${labelled}`]
      : ['image', 'inspect', '--format', labelsOf, wanted]
  const { exitCode, stdout, stderr } = await runOnHost(engine.file, list, { env: engine.env })
  // The newest stands first.
  const [, image, labels] = /^(?:sha256:)?([0-9a-f]{12,64})(?: (.*))?$/m.exec(stdout) ?? []
  if (exitCode === 0 && image !== undefined) {
    if (labels !== undefined) return { image, browser: browserIn(labels) }
    const inspected = await runOnHost(engine.file, ['image', 'inspect', '--format', labelsOf, image], { env: engine.env })
    return { image, browser: browserIn(inspected.stdout) }
  }
  const refused = exitCode !== 0 && !saysNoImage(stderr)
  return {
    code: 'sandbox_missing',
    message: refused
      ? `${engine.name} does not answer: ${firstLine(stderr)}`
      : 'There is no image for containers. File and shell tools are off.',
    hint: refused
      ? `Check that \`${engine.name} images\` works${wanted === '' ? '' : ', and sandbox.container.image'}.`
      : imageHint(wanted),
  }
}

const labelsOf = '{{.Id}} {{.Config.Labels}}'

/** In the words of podman and of docker. */
export function saysNoImage(said: string): boolean {
  return /image not known|no such (?:image|object)|unable to find image/i.test(said)
}

export function imageHint(wanted: string): string {
  return wanted === ''
    ? 'Build it once with: oxbow image build'
    : 'Check sandbox.container.image in config.toml, or leave it empty and run: oxbow image build'
}

/** The line that says what went wrong; warnings about other things come before it. */
export function firstLine(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '')
  return (lines.find((line) => /^(?:Error|error|docker):/.test(line)) ?? lines.at(-1) ?? 'it said nothing').slice(0, 300)
}
