/** `oxbow skills`: which skills, instructions of folders and commands there are, and which of them a person trusts. */
import { plainLine, plainText, revokeTrust, table, trustFiles } from '../terminal/index.ts'
import { type JsonObject, ownValue, textIn } from '../base/index.ts'
import type { ServiceVerb, Typed } from '../protocol/index.ts'
import type { Item } from './inventory.ts'
import type { Shown } from './person-calls.ts'

const noteChars = 90
const nameChars = 64

/** Of a verb about one of them. */
const one = { typed: { skill: 'target' }, omit: true, input: withTarget } as const

const show: ServiceVerb = {
  words: 'skills show <skill>',
  summary: 'show a skill, /command or AGENTS.md with its hash, and what has changed since it was trusted',
  examples: ['oxbow skills show skill-writing', 'oxbow skills show /shared/AGENTS.md'],
  call: 'skill.show',
  ...one,
  show: shownText,
}

export const skillVerbs: readonly ServiceVerb[] = [
  {
    words: 'skills list',
    summary: 'list skills, instructions and commands: what counts, what waits for trust, what is hidden',
    examples: ['oxbow skills list', 'oxbow skills list --json'],
    call: 'skill.list',
    lists: { skill: 'name' },
    show: listText,
  },
  show,
  {
    words: 'skills trust <skill>',
    summary: 'show what came with a folder, and trust it as it is now',
    examples: ['oxbow skills trust deploy', 'oxbow skills trust /shared/site/AGENTS.md', 'oxbow skills trust /review'],
    call: 'skill.trust',
    ...one,
    typed: {
      ...one.typed,
      '--hash <hash>': { field: 'hash', help: 'trust without a question what `show --json` has shown with this hash' },
    },
    agree: {
      by: show,
      field: 'hash',
      question: (name) => trustFiles(name).question,
      declined: trustFiles('').declined,
      settled: ({ hash, state }: Shown, name) =>
        hash === '' ? `${name} is not of a folder and needs no trust.` : state === 'ready' ? `${name} is trusted as it is.` : '',
    },
    show: ({ path }: { readonly path: string }) => `Trusted ${plainLine(path, 400)}. It counts until it changes.`,
  },
  {
    words: 'skills revoke <skill>',
    summary: 'take back the trust in a skill, a /command or an AGENTS.md',
    examples: ['oxbow skills revoke deploy', 'oxbow skills revoke deploy --dry-run'],
    call: 'skill.revoke',
    ...one,
    async preview(input, ask) {
      const { revoked } = await ask('skill.revoke', { ...input, dry_run: true })
      const target = { paths: revoked }
      if (revoked.length === 0) return { would: '', nothing: wasNotTrusted(input), target }
      return { would: revokeTrust(revoked).would, target }
    },
    show: ({ revoked }: { readonly revoked: readonly string[] }, { input }) =>
      revoked.length === 0 ? wasNotTrusted(input) : revokeTrust(revoked).done,
  },
]

const wasNotTrusted = (input: JsonObject): string => `${plainLine(textIn(input, 'target'), 200)} was not trusted.`

/** A file or folder of this machine that agents see is meant as they see it; anything else is a name, or such a path. */
function withTarget(input: JsonObject, { pathForAgents }: Typed): JsonObject {
  const which = textIn(input, 'target')
  const isPath = /^(?:\.{0,2}\/|~\/)/.test(which) || /^(?:AGENTS|CLAUDE)\.md$/.test(which) || /\w\//.test(which)
  return { ...input, target: (isPath && !which.startsWith('/shared/') ? pathForAgents(which) : undefined) ?? which }
}

function listText({ items }: { readonly items: readonly Item[] }): string {
  if (items.length === 0) return 'There are no skills.'
  const rows = items.map(({ kind, name, place, agent, path, description, state, problem }) => [
    plainLine(kind === 'command' ? `/${name}` : name, nameChars),
    path === '' ? (ownValue({ agent: `agent ${agent}`, user: 'you', bundled: 'Oxbow' }, place) ?? place) : plainLine(path, 80),
    state,
    plainLine(problem === '' ? description : problem, noteChars),
  ])
  const waiting = items.filter(({ state }) => state === 'new' || state === 'changed').length
  const long = items.filter(({ problem }) => problem.length > noteChars)
  return [
    table([['NAME', 'FROM', 'STATE', ''], ...rows]),
    ...long.map(({ name, problem }) => `${plainLine(name, nameChars)}: ${plainLine(problem, 2_000)}`),
    ...(waiting === 0 ? [] : [`${waiting} came with a folder and count once you trust them: oxbow skills trust NAME or PATH`]),
  ].join('\n\n')
}

function shownText({ name, path, state, problem, hash, files, difference }: Shown): string {
  const head = `${plainLine(name, 200)}${path === '' || path === name ? '' : `, ${plainLine(path, 400)}`}: ${state}${problem === '' ? '' : ` (${plainLine(problem, 400)})`}`
  const texts = files.map(({ path: file, executable, text }) =>
    [
      `── ${plainLine(file, 400)}${executable ? ' (a program)' : ''}`,
      text === null ? '(no text, or too large to be shown)' : plainText(text.trimEnd()),
    ].join('\n'),
  )
  const parts = difference === '' ? texts : [`What has changed since you trusted it:\n${plainText(difference)}`]
  return [hash === '' ? head : `${head}\nhash ${hash}`, ...parts].join('\n\n')
}
