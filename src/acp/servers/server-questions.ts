/**
 * What a person reads about a server of an editor before they answer: the program as it would run, and its tools as agents would be offered
 * them. Whatever others have written is on one line, without characters that are not seen, and bounded.
 */
import { exactText, plainLine } from '../../terminal/index.ts'
import { plural } from '../../base/index.ts'
import { maxShownChars } from '../limits.ts'
import type { OfferedTools } from '../ports.ts'
import { fencedCode } from '../tool-view.ts'
import { secretName, type WantedServer } from './wanted-server.ts'

/** A question to the person, as an editor shows it. */
export interface Question {
  readonly title: string
  readonly text: string
}

const maxTitle = 300
const maxFolder = 300
/** Of a description: as much as Oxbow keeps. */
const maxDescription = 2_048
const maxInstructions = 2_000

export function runQuestion(server: WantedServer, name: string): Question {
  const { title, program, place, plain, secrets } = server
  const line = exactText([program.command, ...program.args].map(word).join(' '))
  const sees = place.shown === '' ? 'no folder of yours' : folderText(server)
  const variables = [...plain.keys(), ...secrets.keys()]
  return {
    title: plainLine(`Run the editor's server ${title} in the sandbox, without network, seeing ${sees}: ${line}`, maxTitle),
    text: [
      `${fencedCode(line)}\n`,
      `- runs in a sandbox of its own, as the server of tools ${name}, without network`,
      `- sees ${sees}${place.shown === '' ? '' : ', to read and change'}`,
      ...(program.program_folder === '' ? [] : [`- its program is in ${shown(program.program_folder)}, read-only as /opt/server`]),
      ...(variables.length === 0 ? [] : [`- has the variables ${variables.join(', ')}`]),
      ...(secrets.size === 0 ? [] : ['- their values are kept as secrets of Oxbow, which no model sees']),
      '- agents are offered nothing of it before you have seen its tools',
    ].join('\n'),
  }
}

const shown = (folder: string): string => plainLine(exactText(folder), maxFolder)

/** What a server sees may be more than the folder of the editor. */
function folderText({ place }: WantedServer): string {
  const isWhole = place.guest === place.shown
  return `${shown(place.own)} (${place.shown}${isWhole ? '' : ', with all else in it'})`
}

/** As in a shell: one word is one argument. */
const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

export interface ToolsQuestion extends Question {
  /** Those that are shown and can be approved. */
  readonly tools: readonly string[]
}

export function toolsQuestion(name: string, title: string, offered: OfferedTools): ToolsQuestion {
  const { instructions, resources, prompts, tools } = offered
  const lines: string[] = []
  const approvable: string[] = []
  let left = maxShownChars
  for (const { name: tool, description, problem } of tools) {
    const what = problem === '' ? exactText(plainLine(description, maxDescription)) : `cannot be approved: ${plainLine(problem, maxTitle)}`
    const line = `${plainLine(tool, 128)}: ${what}`
    left -= line.length
    if (left < 0) break
    lines.push(line)
    if (problem === '') approvable.push(tool)
  }
  const hidden = tools.length - lines.length
  const text = [
    `Agents get the right mcp.${name} in all their sessions, and are offered:\n`,
    fencedCode(lines.length === 0 ? '(no tools)' : lines.join('\n')),
    ...(hidden === 0 ? [] : [`${plural(hidden, 'more tool')} would not fit here and stay off: \`oxbow servers approve ${name}\`.`]),
    ...(lines.length === 0 ? [] : [`Their schemas are not shown here: \`oxbow servers diff ${name}\`.`]),
    ...(resources ? ['It also has resources, which agents may read then.'] : []),
    ...(prompts ? ['It also has prompts, which only you can use.'] : []),
    ...(instructions === '' ? [] : [`What it tells agents:\n${fencedCode(plainLine(exactText(instructions), maxInstructions))}`]),
  ].join('\n')
  return {
    title: `Offer ${plural(approvable.length, 'tool')} of the server ${title} to the agent, in all its sessions`,
    text,
    tools: approvable,
  }
}

/** For a server that is approved already. @param folder it would see that too; empty: it need not @param isRight agents would get the right */
export function extendQuestion(name: string, { place }: WantedServer, folder: string, isRight: boolean): Question {
  const what = [
    ...(folder === '' ? [] : [`let it also read and change ${shown(place.own)} (${folder})`]),
    ...(isRight ? [`give the agent the right mcp.${name} in all its sessions`] : []),
  ]
  return { title: plainLine(`Server ${name}: ${what.join(', and ')}`, maxTitle), text: 'Its tools are approved already.' }
}

/** What a person does so that a server runs that would fetch its program. */
export function installText({ title, fetched, place, secrets }: WantedServer, name: string): string {
  const { name: pack = '', version = '', args = [] } = fetched ?? {}
  const wanted = /^\d+\.\d+\.\d+/.test(version) ? version : 'VERSION'
  const line = [
    `oxbow servers install ${name} ${pack}@${wanted}`,
    ...(place.shown === '' ? [] : [`--folder ${word(`${place.shown}:rw`)}`]),
    ...[...secrets.keys()].map((variable) => `--env '${variable}=$${secretName(name, variable)}'`),
    ...(args.length === 0 ? [] : ['--', ...args.map(word)]),
  ].join(' ')
  return `${title} would fetch its program when it starts, and has no network in the sandbox. Install it once; a new thread then shows its tools:\n${fencedCode(plainLine(exactText(line), maxShownChars))}`
}

/** What a person does about a server that did not start. */
export function adviceText(name: string): string {
  return [
    'Oxbow runs it without network, with a /tmp of its own.',
    `A package of npm: \`oxbow servers install ${name} PACKAGE@VERSION\`.`,
    `What it needs of the network: \`oxbow servers add ${name} --allow HOST -- COMMAND\`.`,
  ].join(' ')
}
