/** What each kind of name on a page must be: a file that is there, a key, a call, a verb, a word of the source. */
import type { Command } from 'commander'
import { wrongCommands } from './command-rules.ts'
import type { PageName } from './page-names.ts'

/** What the program has, for the names to be held against. */
export interface ProgramFacts {
  /** Of the repository, from its root, folders with `/` behind. */
  readonly paths: ReadonlySet<string>
  readonly program: Command
  /** Keys and tables of the configuration, calls and rights, by their full names. */
  readonly dotted: ReadonlySet<string>
  /** The same, by their first segments. */
  readonly families: ReadonlySet<string>
  /** Words of the source: what an identifier or a variable must be one of. */
  readonly words: ReadonlySet<string>
  readonly scripts: ReadonlySet<string>
  readonly measures: ReadonlySet<string>
  isChatCommand(text: string): boolean
  /** @returns what is wrong with it, or null. */
  checkToml(text: string): string | null
}

/** Names that are not ours, each with whose they are. */
export const foreignNames: Readonly<Record<string, string>> = {
  VOICE_MESSAGE_RECEIVED: 'an event of elizaOS',
  VOICE_MESSAGE_SENT: 'an event of elizaOS',
  POST_GENERATED: 'an event of elizaOS',
  INTERACTION_RECEIVED: 'an event of elizaOS',
  TEXT_REASONING_SMALL: 'a model type of elizaOS',
  TEXT_REASONING_LARGE: 'a model type of elizaOS',
  'src/main.ts': 'an example of a name that memory finds by its parts',
  getUserName: 'another',
  MAX_RETRY: 'another',
  OLLAMA_CONTEXT_LENGTH: 'a variable of Ollama',
  sqlite3Reprepare: 'a function of SQLite',
  isolatedDeclarations: 'an option of TypeScript',
  'daemon.json': 'the configuration of docker',
  'system.slice': 'a group of systemd',
  'mcp.files': 'the right of a server of tools that a person may add',
  'secret.use': 'a right of agents by a definition, which no call names',
  'mcp.files.read_file': 'a tool of it, as a call',
  mcp_files_read_file: 'the same, as models see it',
  'tool.execute.before': 'a hook of opencode',
  'tool.execute.after': 'another',
  'session.idle': 'an event of opencode',
  'event.input': 'an argument of hooks of pi',
  'output.args': 'an argument of its hooks',
  'output.output': 'another',
  'output.temperature': 'another',
  'docs/plugins/hooks.md': 'a page of OpenClaw',
  'packages/plugin/src/index.ts': 'a file of opencode',
  'packages/coding-agent/docs/extensions.md': 'a page of pi',
  'plugin.provide': 'a call that only guests with plugins have',
  'plugin.evaluate': 'another',
  'plugins.route': 'the right for their routes',
  'plugin.weather': 'the right of a plugin that a person may install',
  'plugins.lock': 'the list of installed plugins in a home',
  'NAME.plugin.json': 'a manifest that a person narrows',
  'plugins.lock.*': 'drafts of that list',
  'runner/folders/USER.json': 'a file in a home',
  'large/': 'a folder of the versions in a workspace',
  'runner/logs/': 'a folder in a home',
  'versions/current.json': 'a file in a home',
  'bin/oxbow': 'the program in an unpacked package',
  'oxbow-V.cdx.json': 'a file of a release',
  'bill-of-materials.cdx.json': 'a file in each package',
  'memory.max': 'a file of a control group',
  OTEL_TRACES_EXPORTER: 'a variable of OpenTelemetry',
  'gateway.sock': 'a socket between an isolated guest and its runner',
}

const extension = /\.(?:[cm]?[jt]s|c|h|md|json|jsonl|sh|toml)$/
const roots = /^(?:src|test|docs|bench|scripts|examples|bin|\.ci)\//
/** Of the sandbox, and of any Linux. */
const folders: ReadonlySet<string> = new Set([
  '/shared',
  '/tmp',
  '/vault',
  '/dev',
  '/etc',
  '/data',
  '/home',
  '/proc',
  '/run',
  '/sys',
  '/usr',
  '/var',
])

/** Made from schemas: their tables have fields of fields, such as `budget.calls`. */
const ofFields: ReadonlySet<string> = new Set(['docs/calls.md', 'docs/frames.md', 'docs/control-socket.md'])

/** @returns what is wrong with one name of a page, or null. @param page its path */
export function problemOf({ kind, text }: PageName, page: string, facts: ProgramFacts): string | null {
  if (Object.hasOwn(foreignNames, text)) return null
  if (kind === 'link') return linkProblem(text, page, facts)
  if (kind === 'toml') return facts.checkToml(text)
  const said = lineProblem(text, facts)
  if (said !== null || kind === 'line' || text.includes(' ')) return said
  const dotted = ofFields.has(page) ? null : dottedProblem(text, facts)
  return pathProblem(text, facts) ?? dotted ?? wordProblem(text, facts) ?? slashProblem(text, facts)
}

function linkProblem(target: string, page: string, { paths }: ProgramFacts): string | null {
  if (/^[a-z]+:/.test(target) || target.startsWith('#')) return null
  const [path = ''] = target.split('#')
  const { pathname } = new URL(path, new URL(page, 'file:///'))
  return paths.has(pathname.slice(1)) ? null : `there is no file ${target}`
}

/** What a person types: verbs of ours, scripts of npm, programs of the repository. */
function lineProblem(text: string, { program, scripts, measures, paths }: ProgramFacts): string | null {
  const [wrong] = wrongCommands(text.replace(/npm start -- /, 'oxbow chat ').replace(/node bin\/oxbow\.js/, 'oxbow'), program)
  if (wrong !== undefined) return wrong
  const script = /\bnpm run (\S+)/.exec(text)?.[1]
  if (script !== undefined && !scripts.has(script)) return `npm has no script ${script}`
  const lost = /--only (\S+)/
    .exec(text)?.[1]
    ?.split(',')
    .find((name) => /^[a-z]/.test(name) && !measures.has(name))
  if (lost !== undefined) return `the bench has no measure ${lost}`
  const file = /\bnode (?:--\S+ )*((?:[\w-]+\/)+[\w.-]+)/.exec(text)?.[1]
  return file === undefined || paths.has(file) ? null : `there is no file ${file}`
}

/** Files that stand in folders of people. */
const ofWorkspaces: ReadonlySet<string> = new Set(['config.toml', 'AGENTS.md', 'CLAUDE.md', 'HEARTBEAT.md'])

/** A path from the root, or the end of one (`wire.ts`, `http/http-model.ts`, `catalog/`), with `*` and `<…>` for what varies. */
function pathProblem(text: string, { paths }: ProgramFacts): string | null {
  if (!/^[\w.@*<>/-]+$/.test(text) || text.startsWith('/') || text.includes('<family>') || text.includes('<thing>')) return null
  const isRooted = roots.test(text)
  if (!isRooted && !extension.test(text) && !/^[a-z-]+(?:\/[a-z-]+)*\/$/.test(text)) return null
  const pattern = text
    .split(/\*|<[^>]*>/)
    .map((part) => part.replaceAll('.', '\\.'))
    .join('[^/]*')
  const end = text.endsWith('/') || extension.test(text) ? '$' : '/?$'
  const wanted = new RegExp(`${isRooted ? '^' : '(?:^|/)'}${pattern}${end}`)
  return [...paths].some((path) => wanted.test(path)) || ofWorkspaces.has(text) ? null : `there is no file ${text}`
}

/** Whole, or behind the table that a page is about: `store.url`, `memory.index_messages = false`, `web.read`, `shell.session_*`. */
function dottedProblem(text: string, { dotted, families }: ProgramFacts): string | null {
  const name = /^([a-z_]+)(?:\.(?:[a-z_]+|\*|[a-z_]+\*))+$/.exec(text)
  if (name === null || extension.test(text) || !families.has(name[1] ?? '')) return null
  const [stem = '', star] = text.split('*')
  const isThere =
    star === undefined
      ? dotted.has(text) || [...dotted].some((each) => each.endsWith(`.${text}`))
      : [...dotted].some((each) => each.startsWith(stem))
  return isThere ? null : `there is no call, right or key ${text}`
}

/** Identifiers, codes and variables stand somewhere in the source. */
function wordProblem(text: string, { words }: ProgramFacts): string | null {
  const word = /^([a-z]+[A-Z]\w*|[a-z]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z]+)+)(?:=\w+)?$/.exec(text)?.[1]
  return word === undefined || words.has(word) ? null : `nothing in the source is called ${word}`
}

/** `/fork` is a command of the chat, where it is no folder of the sandbox. */
function slashProblem(text: string, { isChatCommand }: ProgramFacts): string | null {
  if (!/^\/[a-z]+$/.test(text) || folders.has(text) || isChatCommand(text)) return null
  return `the chat has no ${text}`
}
