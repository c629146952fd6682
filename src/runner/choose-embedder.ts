/** `oxbow embed use`: sets the embedder in a configuration file and leaves the rest of the file unchanged. */
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'smol-toml'
import { builtinProviders, configSchema, OxbowError } from '../types/index.ts'
import { configFiles, loadConfig, readConfigFile } from './config-layers.ts'
import { listEmbedders } from './embed-models.ts'
import type { Home, Workspace } from './home.ts'
import { maxConfigBytes } from './limits.ts'

interface ChosenEmbedder {
  /** New value of `memory.embedder`. */
  readonly setting: string
  readonly file: string
  /** False when the file already had this value. */
  readonly changed: boolean
  /** The file that overrides the written one for this user; usually empty. */
  readonly overriddenBy: string
}

interface Choice {
  /** Name of a pulled model, `words-50k`, `none`, `folder:PATH`, `onnx:PATH` or `provider/model`. */
  readonly name: string
  /** Set it for this user only, not for all. */
  readonly own: boolean
  /** Base of relative paths. */
  readonly cwd: string
}

/** @throws OxbowError `bad_input` for an invalid embedder, `bad_config` for a file that cannot be changed safely */
export function chooseEmbedder(home: Home, workspace: Workspace, { name, own, cwd }: Choice): ChosenEmbedder {
  const setting = settingOf(home, workspace, name, cwd)
  const [common, ofUser] = configFiles(home, workspace).map(({ path }) => path) as [string, string]
  const file = own ? ofUser : common
  const text = readConfigFile(file) ?? ''
  const next = setTomlKey(text, ['memory', 'embedder'], setting)
  if (next === null || Buffer.byteLength(next) > maxConfigBytes || !configSchema.safeParse(parse(next)).success) {
    throw new OxbowError('bad_config', `${file} cannot be changed safely: it is not valid, or writes the key in an unusual way.`, {
      hint: `Add this line to the table [memory] yourself: embedder = ${JSON.stringify(setting)}`,
    })
  }
  const changed = next !== text
  if (changed) replaceFile(file, next)
  const overridden = loadConfig(home, workspace).memory.embedder !== setting
  return { setting, file, changed, overriddenBy: overridden ? ofUser : '' }
}

function settingOf(home: Home, workspace: Workspace, name: string, cwd: string): string {
  if (name === 'words-50k' || name === 'none' || name === 'hash') return name
  const pulled = listEmbedders(home).find((each) => each.name === name)
  if (pulled !== undefined) return `folder:${pulled.path}`
  const [, kind, path = ''] = /^(folder|onnx):(.+)$/s.exec(name) ?? []
  if (kind !== undefined) return `${kind}:${checkedFolder(isAbsolute(path) ? path : resolve(cwd, path), kind)}`
  if (/^[^/\s:.]+\/\S+$/.test(name)) return checkedService(home, workspace, name)
  const there = listEmbedders(home).map((each) => each.name)
  throw new OxbowError('bad_input', `There is no embedder ${JSON.stringify(name.slice(0, 200))}.`, {
    hint: `Name one of ${['words-50k', ...there, 'none'].join(', ')}, folder:PATH, onnx:PATH or provider/model; \`oxbow embed pull\` downloads more.`,
  })
}

/** @throws OxbowError `bad_input` for an unknown provider, or one without embeddings */
function checkedService(home: Home, workspace: Workspace, name: string): string {
  const id = name.slice(0, name.indexOf('/'))
  const { providers } = loadConfig(home, workspace)
  const [builtin, own] = [ownOf(builtinProviders, id), ownOf(providers, id)]
  const providerIds = [...new Set([...Object.keys(builtinProviders), ...Object.keys(providers)])]
  if (builtin === undefined && own === undefined) {
    throw new OxbowError('bad_input', `There is no provider ${JSON.stringify(id.slice(0, 100))}.`, {
      hint: `Put one of ${providerIds.join(', ')} before the model, as in openai/text-embedding-3-small or vllm/BAAI/bge-m3; or add [providers.${bareKey(id)}] with its base_url to config.toml first.`,
    })
  }
  const wire = own?.wire || builtin?.wire || 'openai-chat'
  if (!withoutEmbeddings.has(wire)) return name
  throw new OxbowError('bad_input', `Oxbow does not support embeddings of ${id}.`, {
    hint: 'Name a provider with embeddings, e.g. openai/text-embedding-3-small or ollama/nomic-embed-text; words-50k runs on this machine.',
  })
}

/** Wires without an embeddings request; the engine refuses the same ones. */
const withoutEmbeddings: ReadonlySet<string> = new Set(['anthropic', 'ai-sdk'])

/** Ignores inherited properties such as `__proto__`. */
function ownOf<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

function bareKey(id: string): string {
  return /^[\w-]{1,64}$/.test(id) ? id : 'NAME'
}

/** Files that a folder of each kind must contain. */
const requiredFiles: Readonly<Record<string, readonly string[]>> = {
  folder: ['config.json', 'tokenizer.json', 'model.safetensors'],
  onnx: ['config.json', 'tokenizer.json', 'onnx'],
}

function checkedFolder(path: string, kind: string): string {
  const missing = (requiredFiles[kind] ?? []).filter((name) => !existsSync(join(path, name)))
  if (missing.length === 0) return path
  throw new OxbowError('bad_input', `${path} has no ${missing.join(', no ')}.`, {
    hint: kind === 'onnx' ? 'Give the folder of a sentence encoder in ONNX.' : 'Give the folder of a model2vec model.',
  })
}

/** Replaces the file atomically. A link stays a link. */
function replaceFile(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o600
  const beside = join(dirname(target), `.config.toml.${process.pid}`)
  try {
    writeFileSync(beside, text, { mode, flag: 'wx' })
    const file = openSync(beside, 'r')
    fsyncSync(file)
    closeSync(file)
    renameSync(beside, target)
  } catch (cause) {
    rmSync(beside, { force: true })
    throw new OxbowError('bad_config', `${path} cannot be written: ${(cause as Error).message}`, {
      hint: 'Nothing was changed. Check its permissions and the free disk space.',
      cause,
    })
  }
}

// Sets one key in a TOML file and keeps comments, order and blank lines. The line is guessed; a guess is accepted only when the parsed
// result is the same document with that one key changed.

type Table = { [key: string]: unknown }

/**
 * @param value written as a basic string
 * @returns the new text; null when the key cannot be set without changing anything else, or the text is not TOML
 */
export function setTomlKey(text: string, [table, key]: readonly [table: string, key: string], value: string): string | null {
  const before = parsed(text)
  if (before === null) return null
  const wanted = structuredClone(before)
  const inner = wanted[table] ?? {}
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return null
  wanted[table] = { ...(inner as Table), [key]: value }
  for (const guess of guesses(text, table, key, value)) {
    const after = parsed(guess)
    if (after !== null && isDeepStrictEqual(after, wanted)) return guess
  }
  return null
}

/** Tries to replace the key, to insert it after the header of its table, and to append a new table. */
function* guesses(text: string, table: string, key: string, value: string): Generator<string> {
  // Keeps the file's line endings.
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = text.split(end)
  const written = tomlString(value)
  const withLine = (at: number, removed: number, line: string): string => lines.toSpliced(at, removed, line).join(end)
  const assigned = new RegExp(`^(\\s*(?:"?${table}"?\\s*\\.\\s*)?"?${key}"?\\s*=\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|'[^']*')(.*)$`)
  for (const [at, line] of lines.entries()) {
    const found = assigned.exec(line)
    if (found !== null) yield withLine(at, 1, `${found[1]}${written}${found[2]}`)
  }
  const header = new RegExp(`^\\s*\\[\\s*"?${table}"?\\s*\\]`)
  for (const [at, line] of lines.entries()) if (header.test(line)) yield withLine(at + 1, 0, `${key} = ${written}`)
  const gap = text === '' ? '' : text.endsWith(end) ? end : `${end}${end}`
  yield `${text}${gap}[${table}]${end}${key} = ${written}${end}`
}

/** JSON strings are valid TOML strings but for one character. */
function tomlString(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007F')
}

function parsed(text: string): Table | null {
  try {
    // The parser's tables are not plain objects, so they are copied for comparison.
    return structuredClone(parse(text))
  } catch {
    return null
  }
}
