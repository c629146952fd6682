/**
 * `oxbow character import`. What a character names is somebody else's text: knowledge comes from the folder of its file alone, `${NAME}` only
 * from variables that the person lists, and rights from the person alone.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'
import { agentNameOf, descriptionOf, type Knowledge, takeSecrets } from '../../plugins/index.ts'
import { writeDefinition } from '../../runner/index.ts'
import { expandRights, OxbowError, toError, wrongRights } from '../../types/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { type GatewayPort, type GuestChoice, guestSetup, withGuest } from '../guest-connection.ts'
import { outputOf } from '../kernel/call.ts'
import { maxKnowledgeBytes, maxKnowledgeFiles } from '../limits.ts'
import { storeSecrets } from '../store/keys.ts'
import { printLine, printPreview, printText, type Terminal } from '../terminal.ts'
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

/** A text that memory is to know, at its path below the agent's folder. */
interface KnowledgeText {
  readonly path: string
  readonly text: string
}

export async function characterImport(file: string, options: ImportOptions, terminal: Terminal): Promise<number> {
  // First of all, as in every verb: a bad configuration.
  guestSetup(options, terminal)
  const { character, original, form, warnings } = await readCharacterFile(file, options)
  const name = options.as ?? agentNameOf(character)
  const files = characterFiles(terminal, name)
  const rights = options.right ?? []
  const wrong = wrongRights([...rights])
  if (wrong !== '') throw new OxbowError('bad_input', wrong, { hint: 'See docs/access.md for the names of rights.' })
  if (options.replace !== true && existsSync(files.toml))
    throw new OxbowError('bad_input', `there is an agent ${name} already`, { hint: '--replace replaces it; --as gives another name.' })
  const taken = takeSecrets(original, name, { values: terminal.env, allowed: options.env ?? [] })
  const knowledge = await readKnowledge(character.knowledge, dirname(resolve(file)))
  printWarnings([...warnings, ...taken.warnings, ...knowledge.warnings], terminal)
  const secrets = taken.secrets.map((secret) => secret.name)
  const report = { agent: name, form, secrets, variables: Object.keys(taken.variables), knowledge: knowledge.texts.map(({ path }) => path) }
  if (options.dryRun === true) return printPreview({ would: `make the agent ${name}`, target: report }, options, terminal)

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
  const ingested = knowledge.texts.length === 0 ? 0 : await ingest(name, knowledge.texts, options, terminal)
  if (options.json === true) printLine(terminal, JSON.stringify({ ...report, ingested }))
  else
    printText(
      terminal,
      [
        `Made the agent ${name}: ${files.toml}`,
        ...(secrets.length === 0 ? [] : [`Secrets: ${plainLine(secrets.join(', '), 400)}. ${hasSecrets}`]),
        ...(ingested === 0 ? [] : [`Knowledge: ${ingested} documents in its memory.`]),
        ...(character.plugins.length === 0 ? [] : [pluginHint(character.plugins)]),
        `Talk to it: oxbow chat --agent ${name}`,
      ].join('\n'),
    )
  return 0
}

/** Its file installs nothing and grants nothing. */
function pluginHint(plugins: readonly string[]): string {
  return `It names plugins: ${plainLine(plugins.join(', '), 400)}. One that is installed is its with --right plugin.NAME.`
}

/** What others read as text. Other documents go into the workspace first, and from there into memory. */
const textual = new Set(
  '.md .markdown .mdx .txt .text .csv .tsv .json .jsonl .html .htm .xml .yaml .yml .rst .org .adoc .tex .log .srt'.split(' '),
)

async function readKnowledge(
  knowledge: readonly Knowledge[],
  folder: string,
): Promise<{ readonly texts: readonly KnowledgeText[]; readonly warnings: readonly string[] }> {
  const warnings: string[] = []
  const texts: KnowledgeText[] = []
  const inline = knowledge.flatMap((each) => (each.kind === 'text' ? [each.text] : []))
  if (inline.length > 0)
    texts.push({ path: 'knowledge.md', text: inline.map((text) => `- ${text.trim().replaceAll('\n', '\n  ')}`).join('\n') })
  const root = await realpath(folder)
  for (const each of knowledge) {
    if (each.kind === 'text') continue
    const place = plainLine(each.path, 200)
    // A link could lead out of the folder as well as a path.
    const path = await realpath(resolve(root, each.path)).catch(() => null)
    if (path === null) warnings.push(`knowledge: there is no ${each.kind} ${place} beside the character`)
    else if (path !== root && !path.startsWith(root + sep))
      warnings.push(`knowledge: ${place} is outside of the character's folder, and is not read. Copy it there`)
    else if (each.kind === 'file') await take(path)
    else {
      const found = await readdir(path, { recursive: true, withFileTypes: true })
      for (const entry of found.filter((one) => one.isFile())) await take(join(entry.parentPath, entry.name))
    }
  }
  async function take(path: string): Promise<void> {
    const inside = relative(root, path)
    if (texts.length >= maxKnowledgeFiles) throw tooMuch(`more than ${maxKnowledgeFiles} files`)
    const { size } = await stat(path)
    if (size > maxKnowledgeBytes) throw tooMuch(`a file of ${size} bytes, ${plainLine(inside, 200)}`)
    if (textual.has(extname(path).toLowerCase())) texts.push({ path: inside, text: await readFile(path, 'utf8') })
    else
      warnings.push(
        `knowledge: ${plainLine(inside, 200)} is no text. Copy it into the workspace, then: oxbow memory ingest PATH --tag agent-NAME`,
      )
  }
  return { texts: texts.filter(({ text }) => text.trim() !== ''), warnings }
}

function tooMuch(what: string): OxbowError {
  return new OxbowError('limit_reached', `the knowledge of the character has ${what}`, {
    hint: 'Copy it into the workspace, and ingest it with oxbow memory ingest.',
  })
}

/** Its own notes and its knowledge have the same tag: it reads no others. */
function ingest(name: string, texts: readonly KnowledgeText[], options: ImportOptions, terminal: Terminal): Promise<number> {
  return withGuest({ user: options.user }, terminal, async ({ gateway }) => {
    const folder = `/shared/characters/${name}`
    // What an earlier import wrote there would be ingested again.
    if (options.replace === true) await gateway.call('file.delete', { path: folder, recursive: true })
    for (const { path, text } of texts) await writeText(gateway, `${folder}/${path.split(sep).join('/')}`, text)
    const input = { path: folder, tags: [`agent-${name}`], trust: options.trust === true }
    const { documents } = (await outputOf(gateway, 'memory.ingest', input)) as { readonly documents: readonly unknown[] }
    return documents.length
  })
}

async function writeText(gateway: GatewayPort, path: string, text: string): Promise<void> {
  const outcome = await gateway.call('file.write', { path, text })
  if (outcome.status !== 'ok') throw toError(outcome.failure)
}
