/**
 * `oxbow character import`. What a character names is somebody else's text: knowledge comes from the folder of its file alone, `${NAME}` only
 * from variables that the person lists, and rights from the person alone.
 */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'
import { agentNameOf, descriptionOf, type Knowledge, ownSecrets, takeSecrets } from '../../plugins/index.ts'
import { readDefinitionTable, writeDefinition } from '../../runner/index.ts'
import { OxbowError, toError } from '../../base/index.ts'
import { expandRights, wrongAgentRights } from '../../protocol/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { type GatewayPort, type GuestChoice, guestSetup, withGuest, outputOf } from '../guest-connection.ts'
import { knowledgePieceBytes, maxKnowledgeBytes, maxKnowledgeFiles } from '../limits.ts'
import { storedSecrets, storeSecrets } from '../store/keys.ts'
import { printAnswer, printPreview, type Terminal } from '../terminal.ts'
import { characterFiles, printWarnings, readCharacterFile } from './character-file.ts'

interface ImportOptions extends GuestChoice {
  readonly as?: string | undefined
  readonly env?: readonly string[] | undefined
  readonly right?: readonly string[] | undefined
  readonly model?: string | undefined
  readonly trust?: boolean | undefined
  readonly replace?: boolean | undefined
  readonly strict?: boolean | undefined
  readonly dryRun?: boolean | undefined
  readonly json?: boolean | undefined
}

/** A document that memory is to know, at its path below the agent's folder. */
interface KnowledgeFile {
  readonly path: string
  /** Absent: the file at `from`. */
  readonly text?: string
  readonly from: string
}

export async function characterImport(file: string, options: ImportOptions, terminal: Terminal): Promise<number> {
  // First of all, as in every verb: a bad configuration.
  guestSetup(options, terminal)
  const { character, original, form, warnings } = await readCharacterFile(file, options)
  const name = options.as ?? agentNameOf(character)
  const files = characterFiles(terminal, name)
  const rights = options.right ?? []
  const wrong = wrongAgentRights([...rights])
  if (wrong !== '') throw new OxbowError('bad_input', wrong, { hint: 'See docs/access.md for the names of rights.' })
  if (options.replace !== true && existsSync(files.toml))
    throw new OxbowError('bad_input', `there is an agent ${name} already`, { hint: '--replace replaces it; --as gives another name.' })
  const taken = takeSecrets(original, name, { values: terminal.env, allowed: options.env ?? [] })
  const knowledge = await findKnowledge(character.knowledge, dirname(resolve(file)))
  printWarnings([...warnings, ...taken.warnings, ...knowledge.warnings], terminal)
  // A file that was exported without secrets has handles of those that the agent has.
  const held = ownSecrets(original, name, readDefinitionTable(files.toml)['secrets'])
  const secrets = [...held, ...taken.secrets.map((secret) => secret.name)]
  const report = { agent: name, form, secrets, variables: Object.keys(taken.variables), knowledge: knowledge.files.map(({ path }) => path) }
  if (options.dryRun === true) return printPreview({ would: `make the agent ${name}`, target: report }, options, terminal)

  await refuseOthersSecrets(taken.secrets, files.toml, options, terminal)
  // The definition last: what fails before it can be repeated. Secrets may restart the guest.
  const ingested = knowledge.files.length === 0 ? 0 : await ingest(name, knowledge.files, options, terminal)
  const hasSecrets = await storeSecrets(taken.secrets, options, terminal)
  const table = {
    description: descriptionOf(character),
    ...(options.model !== undefined && { model: options.model }),
    rights: [...expandRights([...rights])],
    secrets,
    memory: 'own',
    ...(report.variables.length > 0 && { variables: taken.variables }),
  }
  writeDefinition(files, table, taken.original)
  return printAnswer(
    { ...report, ingested },
    [
      `Made the agent ${name}: ${files.toml}`,
      ...(secrets.length === 0 ? [] : [`Secrets: ${plainLine(secrets.join(', '), 400)}. ${hasSecrets}`]),
      ...(ingested === 0 ? [] : [`Knowledge: ${ingested} documents in its memory: ${namesOf(knowledge.files)}.`]),
      ...(character.plugins.length === 0 ? [] : [pluginHint(character.plugins)]),
      `Talk to it: oxbow chat --agent ${name}`,
    ].join('\n'),
    options,
    terminal,
  )
}

const maxNamed = 20

/** Somebody else has chosen them: the person sees which they are. */
function namesOf(files: readonly KnowledgeFile[]): string {
  const named = files.slice(0, maxNamed).map(({ path }) => plainLine(path, 100))
  return [...named, ...(files.length > maxNamed ? [`${files.length - maxNamed} more`] : [])].join(', ')
}

/** Its file installs nothing and grants nothing. */
function pluginHint(plugins: readonly string[]): string {
  return `It names plugins: ${plainLine(plugins.join(', '), 400)}. One that is installed is its with --right plugin.NAME.`
}

/** The author chose the names of a character and its secrets: they must not replace a secret that the person has. */
async function refuseOthersSecrets(
  taken: readonly { readonly name: string }[],
  toml: string,
  options: ImportOptions,
  terminal: Terminal,
): Promise<void> {
  if (taken.length === 0) return
  const { secrets = [] } = readDefinitionTable(toml)
  const stored = await storedSecrets(options, terminal)
  const other = taken.find(({ name }) => stored.includes(name) && !(Array.isArray(secrets) && secrets.includes(name)))
  if (other === undefined) return
  throw new OxbowError('bad_input', `there is a secret ${plainLine(other.name, 100)} already, which is not of this character`, {
    hint: `--as gives the agent another name; oxbow secret remove ${plainLine(other.name, 100)} makes room for it.`,
  })
}

/** What memory reads. */
const readable = new Set(
  '.md .markdown .mdx .txt .text .csv .tsv .json .jsonl .html .htm .xhtml .xml .yaml .yml .rst .org .adoc .tex .log .srt .vtt .eml .pdf'.split(
    ' ',
  ),
)

async function findKnowledge(
  knowledge: readonly Knowledge[],
  folder: string,
): Promise<{ readonly files: readonly KnowledgeFile[]; readonly warnings: readonly string[] }> {
  const warnings: string[] = []
  const files = new Map<string, KnowledgeFile>()
  const inline = knowledge.flatMap((each) => (each.kind === 'text' ? [each.text] : []))
  const text = inline.map((entry) => `- ${entry.trim().replaceAll('\n', '\n  ')}`).join('\n')
  if (inline.length > 0) files.set(inlineFile, { path: inlineFile, text, from: '' })
  const root = await realpath(folder)
  for (const each of knowledge) {
    if (each.kind === 'text') continue
    const place = plainLine(each.path, 200)
    // A link could lead out of the folder as well as a path.
    const path = await realpath(resolve(root, each.path)).catch(() => null)
    if (path === null) warnings.push(`knowledge: there is no ${each.kind} ${place} next to the character`)
    else if (path === root)
      warnings.push(`knowledge: ${place} is the character's folder with all that is in it, and is not read. Name a folder in it`)
    else if (!path.startsWith(root + sep))
      warnings.push(`knowledge: ${place} is outside of the character's folder, and is not read. Copy it there`)
    else for (const found of await filesAt(path)) await take(found)
  }
  async function take(path: string): Promise<void> {
    const inside = relative(root, path)
    if (files.has(inside)) return
    const { size } = await stat(path)
    const shown = plainLine(inside, 200)
    if (inside.split(sep).some((part) => part.startsWith('.'))) warnings.push(`knowledge: ${shown} is hidden, and is not read`)
    else if (!readable.has(extname(path).toLowerCase()))
      warnings.push(`knowledge: ${shown} is neither text nor a PDF. Convert it, or copy it into the workspace and see oxbow memory ingest`)
    else if (size > maxKnowledgeBytes) throw tooMuch(`a file of ${size} bytes, ${shown}`)
    else if (files.size >= maxKnowledgeFiles) throw tooMuch(`more than ${maxKnowledgeFiles} files`)
    else if (size > 0) files.set(inside, { path: inside, from: path })
  }
  return { files: [...files.values()], warnings }
}

/** The texts in the file of the character itself. */
const inlineFile = 'knowledge-of-the-character.md'

/** @returns a file itself, or all files of a folder; nothing for what is neither */
async function filesAt(path: string): Promise<readonly string[]> {
  const stats = await stat(path)
  if (!stats.isDirectory()) return stats.isFile() ? [path] : []
  const found = await readdir(path, { recursive: true, withFileTypes: true })
  return found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
}

function tooMuch(what: string): OxbowError {
  return new OxbowError('limit_reached', `the knowledge of the character has ${what}`, {
    hint: 'Copy it into the workspace, and ingest it with oxbow memory ingest.',
  })
}

/** Its own notes and its knowledge have the same tag: it reads no others. @returns how many documents it knows */
function ingest(name: string, files: readonly KnowledgeFile[], options: ImportOptions, terminal: Terminal): Promise<number> {
  return withGuest({ user: options.user }, terminal, async ({ gateway }) => {
    const folder = `/shared/characters/${name}`
    // What an earlier import wrote there would be ingested again.
    if (options.replace === true) await gateway.call('file.delete', { path: folder, recursive: true })
    for (const file of files) await upload(gateway, file, `${folder}/${file.path.split(sep).join('/')}`)
    const input = { path: folder, tags: [`agent-${name}`], trust: options.trust === true }
    const { documents, failed } = await outputOf(gateway, 'memory.ingest', input)
    printWarnings(
      failed.map(({ message }) => `knowledge: ${message}`),
      terminal,
    )
    return documents.filter(({ state }) => state !== 'removed').length
  })
}

/** As it is: memory finds out how a text is encoded, and reads PDFs. */
async function upload(gateway: GatewayPort, { text, from }: KnowledgeFile, path: string): Promise<void> {
  const content = text === undefined ? await readFile(from) : Buffer.from(text)
  const id = randomUUID()
  for (let offset = 0; offset < content.length; offset += knowledgePieceBytes) {
    const piece = content.subarray(offset, offset + knowledgePieceBytes)
    const last = offset + piece.length >= content.length
    const outcome = await gateway.call('file.upload', { path, upload: id, offset, base64: piece.toString('base64'), last, overwrite: true })
    if (outcome.status !== 'ok') throw toError(outcome.failure)
  }
}
