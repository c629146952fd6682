/**
 * What came with a workspace: skills, instructions and commands in /shared and in each folder of the person there. Hands read it, so that
 * no link leads out. All of it is data until a person trusts it.
 */
import { isOxbowError, OxbowError } from '../base/index.ts'
import type { Hands, Sandbox } from '../protocol/index.ts'
import {
  commandName,
  maxCommandBytes,
  maxCommandsOfPlace,
  maxSkillDepth,
  maxSkillFiles,
  maxSkillMdBytes,
  maxSkillsOfPlace,
  maxSkillTotalBytes,
  type SkillFile,
  skillFolderName,
} from '../config/index.ts'
import { instructionDepth, maxInstructionBytes, maxInstructionFiles, readTimeoutMs } from './limits.ts'
import { skillFileNames } from './skill-file.ts'

/** A text at a path of the workspace. `problem`: why it cannot be used; empty if it can. */
export interface FoundText {
  readonly path: string
  readonly text: string
  readonly problem: string
}

export interface FoundSkill extends FoundText {
  readonly folder: string
  readonly from: '.agents' | '.claude'
}

interface FoundCommand extends FoundText {
  readonly name: string
}

export interface WorkspaceFiles {
  /** In the order of precedence. */
  skills(): Promise<readonly FoundSkill[]>
  commands(): Promise<readonly FoundCommand[]>
  /** AGENTS.md, and CLAUDE.md of folders without one. */
  instructions(): Promise<readonly FoundText[]>
  /** @param path of the skill's folder @throws OxbowError `not_found`, `limit_reached` */
  filesOf(path: string): Promise<readonly SkillFile[]>
  /** @returns null if there is no such file, or it is too large or no text */
  text(path: string, maxBytes: number): Promise<string | null>
}

/** Folders in which skills and commands are looked for, in order of preference. */
const sources = ['.agents', '.claude'] as const
const maxSurveyed = 20_000

/** @param mounts names of the person's folders in /shared */
export function openWorkspaceFiles(sandbox: Pick<Sandbox, 'hands' | 'status'>, mounts: () => readonly string[]): WorkspaceFiles {
  const places = () => {
    const roots = ['/shared', ...mounts().map((name) => `/shared/${name}`)]
    return sources.flatMap((from) => roots.map((root) => ({ from, root: `${root}/${from}` })))
  }
  const open = async (): Promise<Reading | null> => (sandbox.status.files ? createReading(await sandbox.hands('work')) : null)
  return {
    async skills() {
      const reading = await open()
      if (reading === null) return []
      return (await Promise.all(places().map(({ from, root }) => skillsBelow(reading, `${root}/skills`, from)))).flat()
    },
    async commands() {
      const reading = await open()
      if (reading === null) return []
      return (await Promise.all(places().map(({ root }) => commandsBelow(reading, `${root}/commands`)))).flat()
    },
    async instructions() {
      const reading = await open()
      return reading === null ? [] : instructionsBelow(reading)
    },
    async filesOf(path) {
      const reading = await open()
      if (reading === null)
        throw new OxbowError('sandbox_missing', 'Without a sandbox no file can be read.', { hint: '`oxbow doctor` says what is missing.' })
      return skillFilesAt(reading, path)
    },
    async text(path, maxBytes) {
      const reading = await open()
      return reading === null ? null : (await reading.text(path, maxBytes)).text
    },
  }
}

interface Entry {
  readonly path: string
  readonly bytes: number
  readonly executable: boolean
}

interface Reading {
  /** Regular files below a folder, by their paths relative to it; none if the folder is not there. */
  survey(path: string): Promise<readonly Entry[]>
  find(path: string, glob: string, depth: number, maxEntries: number): Promise<readonly string[]>
  /** @returns the contents in the order of the files, null for what is no file any more or is larger */
  contents(path: string, files: readonly string[], maxFileBytes: number): Promise<readonly (Uint8Array | null)[]>
  text(path: string, maxBytes: number): Promise<{ readonly text: string | null; readonly problem: string }>
}

function createReading(hands: Hands): Reading {
  const options = () => ({ signal: AbortSignal.timeout(readTimeoutMs), timeoutMs: readTimeoutMs })
  const orNone = async <Value>(asked: Promise<Value>, none: Value): Promise<Value> => {
    try {
      return await asked
    } catch (error) {
      if (isOxbowError(error, 'not_found') || isOxbowError(error, 'path_refused')) return none
      throw error
    }
  }
  return {
    async survey(path) {
      const { entries } = await orNone(hands.ask('survey', { path, maxEntries: maxSurveyed }, options()), { entries: [], truncated: false })
      return entries.filter(({ kind }) => kind === 'file')
    },
    async find(path, glob, depth, maxEntries) {
      const request = { path, depth, glob, all: false, skip: 0, maxEntries }
      const { entries } = await orNone(hands.ask('list', request, options()), { entries: [], truncated: false })
      return entries.filter(({ kind }) => kind === 'file').map((entry) => entry.path)
    },
    async contents(path, files, maxFileBytes) {
      const found: (Uint8Array | null)[] = []
      while (found.length < files.length) {
        const request = { path, files: files.slice(found.length, found.length + 1_000), maxBytes: maxSkillTotalBytes, maxFileBytes }
        const { files: collected, content } = await hands.ask('collect', request, options())
        if (collected.length === 0)
          throw new OxbowError('sandbox_failed', 'Hands do not return the files of a folder.', { hint: 'Try again.' })
        let at = 0
        for (const { kind, bytes } of collected) {
          found.push(bytes < 0 || kind === 'link' ? null : content.subarray(at, at + bytes))
          at += Math.max(0, bytes)
        }
      }
      return found
    },
    async text(path, maxBytes) {
      const missing = { content: new Uint8Array(), totalBytes: -1, offset: 0, modifiedMs: 0 }
      const { content, totalBytes } = await orNone(hands.ask('bytes', { path, offset: 0, maxBytes }, options()), missing)
      if (totalBytes < 0) return { text: null, problem: 'it cannot be read' }
      if (totalBytes > maxBytes) return { text: null, problem: `it is larger than ${maxBytes / 1024} KiB` }
      return decoded(content)
    },
  }
}

function decoded(content: Uint8Array | null): { readonly text: string | null; readonly problem: string } {
  if (content === null) return { text: null, problem: 'it cannot be read, or is too large' }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content), problem: '' }
  } catch {
    return { text: null, problem: 'it is not UTF-8' }
  }
}

async function skillsBelow(reading: Reading, root: string, from: FoundSkill['from']): Promise<readonly FoundSkill[]> {
  const files = new Set((await reading.survey(root)).map(({ path }) => path))
  const folders = [...new Set([...files].map((path) => path.split('/', 1)[0] ?? ''))].filter((folder) => skillFolderName.test(folder))
  const found = folders
    .toSorted()
    .slice(0, maxSkillsOfPlace)
    .flatMap((folder) => skillFileNames.map((name) => `${folder}/${name}`).find((path) => files.has(path)) ?? [])
  const contents = await reading.contents(root, found, maxSkillMdBytes)
  return found.map((file, at) => {
    const folder = file.split('/', 1)[0] ?? ''
    const { text, problem } = decoded(contents[at] ?? null)
    return { path: `${root}/${folder}`, folder, from, text: text ?? '', problem }
  })
}

async function commandsBelow(reading: Reading, root: string): Promise<readonly FoundCommand[]> {
  const files = (await reading.survey(root)).flatMap(({ path }) => {
    const name = /(?:^|\/)([^/]+)\.md$/.exec(path)?.[1] ?? ''
    return commandName.test(name) ? [{ path, name }] : []
  })
  const some = files.slice(0, maxCommandsOfPlace)
  const contents = await reading.contents(
    root,
    some.map(({ path }) => path),
    maxCommandBytes,
  )
  return some.map(({ path, name }, at) => {
    const { text, problem } = decoded(contents[at] ?? null)
    return { path: `${root}/${path}`, name, text: text ?? '', problem }
  })
}

async function instructionsBelow(reading: Reading): Promise<readonly FoundText[]> {
  const found = await reading.find('/shared', '{AGENTS,CLAUDE}.md', instructionDepth, 2 * maxInstructionFiles)
  const withOwn = new Set(found.filter((path) => path.endsWith('/AGENTS.md')).map((path) => path.slice(0, -'/AGENTS.md'.length)))
  const counting = found.filter((path) => path.endsWith('/AGENTS.md') || !withOwn.has(path.slice(0, -'/CLAUDE.md'.length)))
  return Promise.all(
    counting.slice(0, maxInstructionFiles).map(async (path) => {
      const { text, problem } = await reading.text(path, maxInstructionBytes)
      return { path, text: text ?? '', problem }
    }),
  )
}

/** Names that begin with a dot and installed packages are no part of a skill, as the host sees it. */
async function skillFilesAt(reading: Reading, path: string): Promise<readonly SkillFile[]> {
  const isPart = (file: string): boolean => {
    const names = file.split('/')
    return names.length <= maxSkillDepth + 1 && !names.some((name) => name.startsWith('.') || name === 'node_modules')
  }
  const files = (await reading.survey(path)).filter((entry) => isPart(entry.path)).toSorted((a, b) => (a.path < b.path ? -1 : 1))
  if (files.length === 0)
    throw new OxbowError('not_found', `There is no skill at ${path} any more.`, {
      hint: 'A person sees what there is with oxbow skills list.',
    })
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  if (files.length > maxSkillFiles || total > maxSkillTotalBytes)
    throw new OxbowError(
      'limit_reached',
      `The skill at ${path} has more than ${maxSkillFiles} files or ${maxSkillTotalBytes / 1024 / 1024} MiB.`,
      {
        hint: 'Move what is not needed out of its folder.',
      },
    )
  const contents = await reading.contents(
    path,
    files.map((file) => file.path),
    maxSkillTotalBytes,
  )
  return files.flatMap((file, at) => {
    const content = contents[at] ?? null
    return content === null ? [] : [{ path: file.path, executable: file.executable, content }]
  })
}
