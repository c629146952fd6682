/** `oxbow persona use`, `release` and `list`: what is asked of a guest. */
import { plural } from '../../base/index.ts'
import { plainLine, table } from '../../terminal/index.ts'
import { type GuestChoice, outputOf, withGuest } from '../guest-connection.ts'
import { printAnswer, printList, printPreview, type Terminal } from '../terminal.ts'
import { chooseAgent, findSession, newestSession } from '../verbs/sessions.ts'

interface UseOptions extends GuestChoice {
  readonly session?: string | undefined
  readonly json?: boolean | undefined
}

const shownChars = 60

/** On record, from the next turn on; a turn that runs goes on as whom it began. @param persona absent: the usual agent */
export async function personaUse(persona: string | undefined, options: UseOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { session: prefix } = options
    const session =
      prefix === undefined
        ? await newestSession(gateway, `Start one: oxbow chat${persona === undefined ? '' : ` --agent ${persona}`}`)
        : await findSession(gateway, prefix)
    const said = await chooseAgent(gateway, session.id, persona ?? '')
    const text = `${said.replace(/\.$/, '')}, in ${session.id} ${plainLine(session.title, shownChars)}`.trim()
    return printAnswer({ session: session.id, persona: persona ?? '' }, text, options, terminal)
  })
}

interface ReleaseOptions extends GuestChoice {
  readonly dryRun?: boolean | undefined
  readonly json?: boolean | undefined
}

export async function personaRelease(persona: string, options: ReleaseOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const isDry = options.dryRun === true
    const { sessions } = await outputOf(gateway, 'persona.release', { persona, dry_run: isDry })
    const what = plural(sessions.length, 'conversation')
    if (isDry)
      return printPreview({ would: `give ${what} of ${persona} back to the usual agent`, target: { persona, sessions } }, options, terminal)
    return printAnswer({ persona, sessions }, `Gave ${what} of ${persona} back to the usual agent.`, options, terminal)
  })
}

export async function personaList(options: UseOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { personas, most } = await outputOf(gateway, 'persona.list', {})
    return printList(
      personas,
      {
        empty: 'There are no personas. `oxbow persona new dev` makes one.',
        text: (all) => {
          const active = new Set(all.flatMap(({ name, sessions }) => (sessions.length > 0 ? [name] : []))).size
          const rows = all.map(({ name, from, state, problem, memory, sessions, description }) => [
            name,
            from,
            state,
            memory,
            sessions.length === 0 ? '' : plural(sessions.length, 'conversation'),
            plainLine(problem === '' ? description : problem, shownChars * 2),
          ])
          return `${table([['NAME', 'FROM', 'STATE', 'MEMORY', 'ANSWERS IN', ''], ...rows])}\n${active} of at most ${most} answer.`
        },
      },
      options,
      terminal,
    )
  })
}
