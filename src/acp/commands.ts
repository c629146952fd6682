/** Commands that an editor offers behind a slash, answered by calls of the guest and not by the model. */
import type { AvailableCommand, ContentBlock } from '@agentclientprotocol/sdk'
import { commandCall, costLines, isNoCommand, ownCommands, plainText, statusRows } from '../terminal/index.ts'
import { OxbowError, type SessionId, toError } from '../base/index.ts'
import type { CallOutcome } from '../protocol/index.ts'
import type { GuestLink } from './guest-link.ts'
import type { Gateway } from './ports.ts'

interface Command extends AvailableCommand {
  run(gateway: Gateway, session: SessionId, argument: string): Promise<string>
}

const commands: readonly Command[] = [
  {
    name: 'status',
    description: 'show the model, memory, the sandbox and its limits',
    run: async (gateway) =>
      listed(statusRows(await gateway.status(), 'file').map(([name = '', value = '']) => (name === '' ? value : `${name}: ${value}`))),
  },
  {
    name: 'cost',
    description: 'show spending and limits',
    run: async (gateway, session) => listed(costLines(outputOf(await gateway.call('budget.show', {}, session))).split('\n')),
  },
  {
    name: 'rename',
    description: 'rename this session',
    input: { hint: 'title' },
    async run(gateway, session, title) {
      if (title === '') throw new OxbowError('bad_input', 'There is no title.', { hint: '/rename TITLE' })
      outputOf(await gateway.call('session.rename', { session, title }))
      return `Renamed to ${plainText(title)}.`
    },
  },
  {
    name: 'archive',
    description: 'archive this session: hide it from lists',
    async run(gateway, session) {
      outputOf(await gateway.call('session.archive', { session }))
      return 'Archived. A message restores it.'
    },
  },
]

export const availableCommands: AvailableCommand[] = commands.map(({ name, description, input }) => ({
  name,
  description,
  ...(input !== undefined && { input }),
}))

/** @returns what the command says; null if the prompt is not a command @throws OxbowError */
export async function runCommand(blocks: readonly ContentBlock[], session: SessionId, link: GuestLink): Promise<string | null> {
  const [block] = blocks
  if (blocks.length !== 1 || block?.type !== 'text') return null
  const [, name = '', argument = ''] = /^\/([a-z]+)(?:\s+(.*))?\s*$/s.exec(block.text) ?? []
  const command = commands.find((each) => each.name === name)
  return command === undefined ? null : command.run(await link.gateway(), session, argument.trim())
}

/** @returns the blocks of a prompt that is a command of the person as the message it stands for; any others as they are @throws OxbowError */
export async function expandCommand(blocks: readonly ContentBlock[], link: GuestLink): Promise<readonly ContentBlock[]> {
  const [block, ...others] = blocks
  const asked = block?.type === 'text' && block.text.startsWith('/') ? commandCall(block.text) : null
  if (asked === null) return blocks
  const outcome = await (await link.gateway()).call(...asked)
  // What is no command is a message, such as a path.
  if (outcome.status !== 'ok' && isNoCommand(outcome.failure)) return blocks
  outputOf(outcome)
  return [{ type: 'text', text: outcome.text }, ...others]
}

/** @returns the person's commands too */
export async function allCommands(gateway: Gateway): Promise<AvailableCommand[]> {
  const own = await ownCommands(gateway)
  const names = new Set(availableCommands.map(({ name }) => name))
  const more = own
    .filter(({ name }) => !names.has(name))
    .map(({ name, argument, help }) => ({ name, description: help, ...(argument !== '' && { input: { hint: argument } }) }))
  return [...availableCommands, ...more]
}

function listed(lines: readonly string[]): string {
  return lines.map((line) => `- ${plainText(line)}`).join('\n')
}

function outputOf<Output>(outcome: CallOutcome<Output>): Output {
  if (outcome.status === 'ok') return outcome.output
  throw toError(outcome.failure)
}
