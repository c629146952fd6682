/** Commands in the composer: what completes `/`, the page's own, and the message that a person's command stands for. */
import { type ReactNode, useEffect, useState } from 'react'
import { commandCall, isNoCommand, type OwnCommand, ownCommands } from '../../../../src/terminal/index.ts'
import { toFailure, failureSentences } from '../../../../src/base/index.ts'
import { useGuest } from '../../data/guest.tsx'

const maxShown = 10

/** A command of the page. */
export interface PageCommand extends OwnCommand {
  /** @returns why it was refused; empty if it was not. @throws OxbowError */
  readonly run: (argument: string) => Promise<string>
}

interface OwnCommands {
  /** Those that the text may become, to choose from. */
  readonly list: ReactNode
  /** The text is the beginning of the name of a command, and no command's whole name. */
  readonly isPartial: boolean
  /** Chooses the first of them. @returns false if the list is empty */
  complete(): boolean
  /** @returns the message to send; null for a command of the page, or one that is refused */
  expanded(text: string): Promise<string | null>
  /** Why the last one was refused; empty if it was not. */
  readonly refusal: string
}

/** @param text of the composer @param onChoose receives the text with a whole command, and none for one that was run */
export function useOwnCommands(text: string, ofPage: readonly PageCommand[], onChoose: (completed: string) => void): OwnCommands {
  const { client } = useGuest()
  const [refusal, setRefusal] = useState('')
  const [own, setOwn] = useState<readonly OwnCommand[]>([])
  const typed = /^\/([\w:-]*)$/.exec(text)?.[1]?.toLowerCase()
  const isNaming = typed !== undefined
  useEffect(() => {
    // Files may have changed since the last time. Without an answer nothing is offered, and a command can be sent all the same.
    if (isNaming) ownCommands(client).then(setOwn, () => setOwn([]))
  }, [isNaming, client])
  const expanded = async (written: string): Promise<string | null> => {
    setRefusal('')
    if (written.startsWith('//')) return written.slice(1)
    const asked = written.startsWith('/') ? commandCall(written) : null
    if (asked === null) return written
    const [, name = '', argument = ''] = /^\/(\S+)\s*(.*)$/s.exec(written) ?? []
    const command = ofPage.find((each) => each.name === name)
    try {
      if (command !== undefined) {
        const refused = await command.run(argument.trim())
        setRefusal(refused)
        if (refused === '') onChoose('')
        return null
      }
      const outcome = await client.call(...asked)
      if (outcome.status === 'ok') return outcome.text
      const { message, hint } = outcome.failure
      setRefusal(
        isNoCommand(outcome.failure)
          ? `There is no command /${asked[1].name}. Two slashes send it as a message.`
          : failureSentences({ message, hint }),
      )
    } catch (error) {
      const { message, hint } = toFailure(error, 'guest_unreachable', 'Send it again.')
      setRefusal(failureSentences({ message, hint }))
    }
    return null
  }
  const all: readonly OwnCommand[] = [...ofPage, ...own.filter(({ name }) => !ofPage.some((each) => each.name === name))]
  const fitting = isNaming ? all.filter(({ name }) => name.toLowerCase().startsWith(typed)).slice(0, maxShown) : []
  const isPartial = fitting.length > 0 && typed !== '' && fitting.every(({ name }) => name.toLowerCase() !== typed)
  const choose = (command: OwnCommand | undefined): boolean => {
    if (command !== undefined) onChoose(`/${command.name} `)
    return command !== undefined
  }
  return { list: <CommandList commands={fitting} onChoose={choose} />, isPartial, complete: () => choose(fitting[0]), expanded, refusal }
}

interface CommandListProps {
  readonly commands: readonly OwnCommand[]
  readonly onChoose: (command: OwnCommand) => void
}

function CommandList({ commands, onChoose }: CommandListProps): ReactNode {
  if (commands.length === 0) return null
  return (
    <ul className="chat-own-commands" aria-label="Commands">
      {commands.map((command) => (
        <li key={command.name}>
          <button type="button" onClick={() => onChoose(command)}>
            <b>
              /{command.name} {command.argument}
            </b>
            <span>{command.help}</span>
          </button>
        </li>
      ))}
    </ul>
  )
}
