/** Commands that the composer runs itself, under the names that they have in a terminal. */
import type { JsonObject } from '../../../../src/base/index.ts'
import { navigate } from '../../app/router.tsx'
import { callOf } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import type { PageCommand } from './own-commands.tsx'

interface PageCommandDeps {
  /** Empty for a new one. */
  readonly session: string
  readonly isRunning: boolean
  readonly onStop: () => void
  readonly onModel: (model: string) => void
}

export function usePageCommands({ session, isRunning, onStop, onModel }: PageCommandDeps): readonly PageCommand[] {
  const { client, status } = useGuest()
  /** A call about this session, which must exist. */
  const inSession = (name: string, input: JsonObject = {}): Promise<string> =>
    session === ''
      ? Promise.resolve('This session has not begun: send a message first.')
      : callOf(client, name, { session, ...input }).then(() => '')
  const choose = async (argument: string): Promise<string> => {
    if (argument === '') return 'Name a model, for example /model openai/gpt-5-mini. The list below the message has those that can be used.'
    const { models } = await callOf(client, 'model.usable', { model: argument })
    const id = models[0]?.id ?? argument
    onModel(id === status.model ? '' : id)
    return ''
  }
  const go = (path: string) => async (): Promise<string> => {
    navigate(path)
    return ''
  }
  const stop = async (): Promise<string> => {
    if (!isRunning) return 'No turn is running.'
    onStop()
    return ''
  }
  const rename = async (title: string): Promise<string> =>
    title === '' ? 'Give the title, for example /rename Taxes.' : inSession('session.rename', { title })
  return [
    { name: 'new', argument: '', help: 'start another session', run: go('/chat') },
    { name: 'model', argument: 'NAME', help: 'choose the model of the next messages', run: choose },
    { name: 'cancel', argument: '', help: 'stop the running turn', run: stop },
    { name: 'compact', argument: '', help: 'summarize older messages now', run: () => inSession('session.compact') },
    { name: 'rename', argument: 'TITLE', help: 'rename this session', run: rename },
    { name: 'cost', argument: '', help: 'show spending and limits', run: go('/budgets') },
    { name: 'status', argument: '', help: 'show what runs now', run: go('/now') },
  ]
}
