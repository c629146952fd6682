/** `oxbow embed list`, `pull` and `use`. No model is loaded here; a guest that is configured to use one reads it. */
import { chooseEmbedder, listEmbedders, openHome, pullEmbedder } from '../../runner/index.ts'
import { userWorkspace } from '../guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { plainText, table } from '../view/terminal-text.ts'

interface EmbedOptions {
  readonly json?: boolean | undefined
}

export async function embedList(options: EmbedOptions, terminal: Terminal): Promise<number> {
  const pulled = listEmbedders(openHome(terminal.env))
  const all = [
    { name: 'words-50k', setting: 'words-50k', bytes: 0 },
    ...pulled.map(({ name, path, bytes }) => ({ name, setting: `folder:${path}`, bytes })),
  ]
  if (options.json === true) for (const each of all) printLine(terminal, JSON.stringify(each))
  else {
    const rows = all.map(({ name, setting, bytes }) => [name, bytes === 0 ? 'built in' : megabytes(bytes), settingLine(setting)])
    printText(terminal, plainText(table(rows)))
  }
  return 0
}

export async function embedPull(
  name: string,
  options: EmbedOptions & { readonly from?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.json !== true) printNotice(terminal, `Fetching ${plainText(name)} …`)
  const pulled = await pullEmbedder(openHome(terminal.env), name, options.from)
  if (options.json === true) {
    printLine(terminal, JSON.stringify(pulled))
    return 0
  }
  printLine(
    terminal,
    plainText(table(pulled.files.map(({ name: file, bytes, hash, before }) => [file, sizeText(bytes, before), `sha256 ${hash}`]))),
  )
  printLine(terminal, plainText(`To use it: oxbow embed use ${pulled.name}, or in config.toml: ${settingLine(`folder:${pulled.path}`)}`))
  return 0
}

export async function embedUse(
  name: string,
  options: EmbedOptions & { readonly user?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const home = openHome(terminal.env)
  const workspace = userWorkspace(home, options.user ?? defaultUser, terminal)
  const chosen = chooseEmbedder(home, workspace, { name, own: options.user !== undefined, cwd: process.cwd() })
  if (options.json === true) printLine(terminal, JSON.stringify(chosen))
  else printLine(terminal, plainText(describeChoice(chosen)))
  return 0
}

function describeChoice({ setting, file, changed, overriddenBy }: ReturnType<typeof chooseEmbedder>): string {
  const lines = [changed ? `${file} says ${settingLine(setting)} now.` : `${file} says ${settingLine(setting)} already.`]
  if (overriddenBy !== '') lines.push(`But ${overriddenBy} says otherwise for this user, and goes before it: add --user.`)
  else if (changed && setting === 'none') lines.push('The next start of a guest takes it: memory is searched by words only then.')
  else if (changed)
    lines.push('The next start of a guest takes it: new vectors are made in the background, and the old ones serve meanwhile.')
  if (isService(setting)) lines.push('The text of every message, note and document that is kept, and every question, goes to that service.')
  return lines.join('\n')
}

/** `provider/model`, and no folder. */
function isService(setting: string): boolean {
  return setting.includes('/') && !/^(?:folder|onnx):/.test(setting)
}

function settingLine(setting: string): string {
  return `memory.embedder = ${JSON.stringify(setting)}`
}

/** @param before bytes that a pull had brought that was cut off */
function sizeText(bytes: number, before: number): string {
  return before > 0 && bytes - before > 1 ? `${megabytes(bytes)}, gone on at ${megabytes(before)}` : megabytes(bytes)
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`
}
