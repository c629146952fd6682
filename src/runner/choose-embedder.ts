/** `oxbow embed use`: writes which embedder is used into the configuration that a person keeps, and nothing else of it is changed. */
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
  /** What `memory.embedder` says now. */
  readonly setting: string
  readonly file: string
  /** False: it said so before. */
  readonly changed: boolean
  /** The file that says something else for this user, and goes before the one that was written; empty as a rule. */
  readonly overriddenBy: string
}

interface Choice {
  /** Of a pulled model, `words-50k`, `none`, `folder:PATH`, `onnx:PATH`, or `provider/model`. */
  readonly name: string
  /** For this user alone, in place of all. */
  readonly own: boolean
  /** Relative paths are meant from here. */
  readonly cwd: string
}

/** @throws OxbowError `bad_input` for what cannot be an embedder, `bad_config` for a file that cannot be changed safely */
export function chooseEmbedder(home: Home, workspace: Workspace, { name, own, cwd }: Choice): ChosenEmbedder {
  const setting = settingOf(home, workspace, name, cwd)
  const [common, ofUser] = configFiles(home, workspace).map(({ path }) => path) as [string, string]
  const file = own ? ofUser : common
  const text = readConfigFile(file) ?? ''
  const next = setTomlKey(text, ['memory', 'embedder'], setting)
  if (next === null || Buffer.byteLength(next) > maxConfigBytes || !configSchema.safeParse(parse(next)).success) {
    throw new OxbowError('bad_config', `${file} cannot be changed safely: it is not as Oxbow reads it, or has the key in an unusual way.`, {
      hint: `Write this line into the table [memory] yourself: embedder = ${JSON.stringify(setting)}`,
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
  throw new OxbowError('bad_input', `There is no embedder ${JSON.stringify(name.slice(0, 200))} here.`, {
    hint: `Name one of ${['words-50k', ...there, 'none'].join(', ')}, folder:PATH, onnx:PATH or provider/model; \`oxbow embed pull\` fetches more.`,
  })
}

/** @throws OxbowError `bad_input` for a provider that nobody knows, or that has no embeddings */
function checkedService(home: Home, workspace: Workspace, name: string): string {
  const id = name.slice(0, name.indexOf('/'))
  const { providers } = loadConfig(home, workspace)
  const [builtin, own] = [ownOf(builtinProviders, id), ownOf(providers, id)]
  const known = [...new Set([...Object.keys(builtinProviders), ...Object.keys(providers)])]
  if (builtin === undefined && own === undefined) {
    throw new OxbowError('bad_input', `There is no provider ${JSON.stringify(id.slice(0, 100))}.`, {
      hint: `Put one of ${known.join(', ')} before the model, as in openai/text-embedding-3-small or vllm/BAAI/bge-m3; or add [providers.${bareKey(id)}] with its base_url to config.toml first.`,
    })
  }
  const wire = own?.wire || builtin?.wire || 'openai-chat'
  if (!withoutEmbeddings.has(wire)) return name
  throw new OxbowError('bad_input', `Oxbow does not support embeddings of ${id}.`, {
    hint: 'Name a provider that has some, e.g. openai/text-embedding-3-small or ollama/nomic-embed-text; words-50k leaves nothing of this machine.',
  })
}

/** Wires that have no way to ask for vectors; the engine refuses the same ones. */
const withoutEmbeddings: ReadonlySet<string> = new Set(['anthropic', 'ai-sdk'])

/** Never what only the prototype has, as of `__proto__`. */
function ownOf<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

function bareKey(id: string): string {
  return /^[\w-]{1,64}$/.test(id) ? id : 'NAME'
}

/** What has to be in a folder of each kind. */
const needed: Readonly<Record<string, readonly string[]>> = {
  folder: ['config.json', 'tokenizer.json', 'model.safetensors'],
  onnx: ['config.json', 'tokenizer.json', 'onnx'],
}

function checkedFolder(path: string, kind: string): string {
  const missing = (needed[kind] ?? []).filter((name) => !existsSync(join(path, name)))
  if (missing.length === 0) return path
  throw new OxbowError('bad_input', `${path} has no ${missing.join(', no ')}.`, {
    hint: kind === 'onnx' ? 'Give the folder of a sentence encoder in ONNX.' : 'Give the folder of a model2vec model.',
  })
}

/** All of it or nothing: killed at any moment, the file is the old one or the new one. A link stays a link. */
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

// Sets one key in a TOML file and keeps comments, order and blank lines. The place is guessed line by line; a guess counts only when
// the parser finds the same document with that one key changed.

type Table = { [key: string]: unknown }

/**
 * @param value a string, written as a basic one
 * @returns the new text; null when no place was found where it can be set without changing anything else, or the text is no TOML
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

/** Where the key stands; behind the header of its table; a table of its own at the end. */
function* guesses(text: string, table: string, key: string, value: string): Generator<string> {
  // As the file ends its lines, so does what is put between them.
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

/** JSON writes a string as TOML reads it, but for one sign. */
function tomlString(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007F')
}

function parsed(text: string): Table | null {
  try {
    // The parser's tables are no plain objects: only copies of both can be compared.
    return structuredClone(parse(text))
  } catch {
    return null
  }
}
