/** `oxbow embed use`: sets the embedder in a configuration file and leaves the rest of the file unchanged. */
import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { ownValue, OxbowError } from '../../base/index.ts'
import { builtinProviders } from '../../config/index.ts'
import { changeFile } from '../config/config-file.ts'
import { configFileIn, loadConfig } from '../config/config-layers.ts'
import { listEmbedders } from './embed-models.ts'
import type { Home, Workspace } from '../home.ts'

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
  const [common, ofUser] = [configFileIn(home), configFileIn(workspace)]
  const file = own ? ofUser : common
  const changed = changeFile(home, file, [{ key: ['memory', 'embedder'], value: setting }])
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
  const missing = (ownValue(requiredFiles, kind) ?? []).filter((name) => !existsSync(join(path, name)))
  if (missing.length === 0) return path
  throw new OxbowError('bad_input', `${path} has no ${missing.join(', no ')}.`, {
    hint: kind === 'onnx' ? 'Give the folder of a sentence encoder in ONNX.' : 'Give the folder of a model2vec model.',
  })
}
