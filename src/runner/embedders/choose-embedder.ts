/** `oxbow embed use`: writes which embedder is used into the configuration that a person keeps, and nothing else of it is changed. */
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parse } from 'smol-toml'
import { builtinProviders, configSchema, OxbowError } from '../../types/index.ts'
import { configFiles, loadConfig, readConfigFile } from '../config-layers.ts'
import type { Home, Workspace } from '../home.ts'
import { maxConfigBytes } from '../limits.ts'
import { listEmbedders } from './embed-models.ts'
import { setTomlKey } from './toml-edit.ts'

export interface ChosenEmbedder {
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
  throw new OxbowError('bad_input', `${id} has no embeddings that Oxbow can ask for.`, {
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
      hint: 'Nothing was changed. See to its rights, or to the room on the disk.',
      cause,
    })
  }
}
