/**
 * `/undo` and `/redo` in a chat line by line. The command shows what would change; `/undo yes` and the other answers do exactly what was shown.
 * They are commands and no lines of their own, so that nothing typed for a message, or for a call that asks, is taken for one.
 */
import { plainText, table, typedAnswer, type UndoInput, type UndoQuestion, undoQuestion, undoRow, wayBack } from '../../terminal/index.ts'
import { type GatewayPort, outcomeOf, outputOf } from '../guest-connection.ts'
import { maxDiffLines, maxListedUndos } from '../limits.ts'

type UndoCommand = 'undo' | 'redo'

/** @returns the text to show. @throws OxbowError when the call fails */
export type AskUndo = (command: UndoCommand, argument: string) => Promise<string>

/** What was shown last waits for its answer until the next command of the kind. */
export function createAskUndo(gateway: Pick<GatewayPort, 'call'>): AskUndo {
  let open: { readonly command: UndoCommand; readonly question: UndoQuestion } | null = null

  const show = async (command: UndoCommand, input: UndoInput): Promise<string> => {
    const { output, text } = await outcomeOf(gateway, 'version.undo', input)
    const question = undoQuestion(input, output)
    open = { command, question }
    const diff = output.diff === '' ? [] : output.diff.trimEnd().split('\n')
    const more = diff.length > maxDiffLines ? [`… ${diff.length - maxDiffLines} more lines; oxbow undo --dry-run shows them all`] : []
    const answers = question.answers.map(({ word, does }) => [`/${command} ${word}`, does])
    const keys = table([...answers, [`/${command} no`, 'changes nothing']])
    return plainText([text, ...diff.slice(0, maxDiffLines), ...more, question.text, keys].join('\n'))
  }

  return async (command, argument) => {
    const asked = open?.command === command ? open.question : null
    const answer = asked === null ? undefined : typedAnswer(asked.answers, argument)
    open = null
    if (/^no?$/i.test(argument)) return '  Nothing was changed.'
    if (answer !== undefined && answer.input.apply !== true) return show(command, answer.input)
    if (answer !== undefined) {
      const { text } = await outcomeOf(gateway, 'version.undo', answer.input)
      return plainText(`${text}\n${wayBack(command === 'redo', (words) => `/${words}`)}`)
    }
    if (isAnswer(argument)) return `  Nothing waits for this answer: /${command} shows first what would change.`
    if (command === 'undo' && argument === 'list') return listed(gateway)
    return show(command, command === 'redo' ? { redo: true } : { turn: argument })
  }
}

const isAnswer = (typed: string): boolean => /^(?:y(?:es)?|k(?:eep)?|o(?:verwrite)?)$/i.test(typed)

async function listed(gateway: Pick<GatewayPort, 'call'>): Promise<string> {
  const { turns } = await outputOf(gateway, 'version.turns', { limit: maxListedUndos })
  if (turns.length === 0) return '  No turn has changed anything yet.'
  return table(turns.map(undoRow))
}
