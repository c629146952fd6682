/** The words of a conversation: what the person wrote, what a model answered, and the line that ends a turn. */
import { BrainCircuit, ChevronRight, GitFork, PencilLine, RotateCcw, Undo2 } from 'lucide-react'
import { memo, type ReactNode } from 'react'
import { Button, IconButton } from '../../ui/button.tsx'
import { CopyButton } from '../../ui/code-block.tsx'
import { durationText, Time } from '../../ui/layout.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { moneyText } from '../../ui/numbers.ts'
import { WithCode } from '../../ui/states.tsx'
import { useFold } from './fold.ts'
import { FileCard } from './media.tsx'
import { type AnswerItem, type EndItem, failureOf, type PersonItem } from './transcript.ts'

/** What a person can do with a point of the conversation. */
export interface ItemActions {
  /** Starts another session from here. @param at the last record that both share */
  readonly onFork: (at: number) => void
  /** Starts another session before a message, with the message to edit. */
  readonly onRewrite: (item: PersonItem) => void
  readonly onUndo: (turn: string) => void
  /** Turns that an undo would take back something of. */
  readonly undoable: ReadonlySet<string>
}

interface PersonProps extends Pick<ItemActions, 'onRewrite'> {
  readonly item: PersonItem
}

export const PersonRow = memo(function PersonRow({ item, onRewrite }: PersonProps): ReactNode {
  return (
    <article className="chat-person" aria-label={item.sender || 'You'} data-state={item.state}>
      {item.sender !== '' && <span className="chat-sender">{item.sender}</span>}
      <div className="chat-bubble">
        {item.text}
        {item.files.map((file, index) => (
          <FileCard key={index} file={file} />
        ))}
      </div>
      <div className="chat-tools">
        {item.state === 'sending' ? (
          <span role="status">Sending…</span>
        ) : (
          <>
            <Time at={item.at} />
            <CopyButton text={item.text} label="Copy the message" />
            <IconButton size="s" icon={<PencilLine />} label="Edit in a new session from here" onClick={() => onRewrite(item)} />
          </>
        )}
      </div>
    </article>
  )
})

export const AnswerRow = memo(function AnswerRow({ item }: { readonly item: AnswerItem }): ReactNode {
  const { text, reasoning, isStreaming, restarted } = item
  return (
    <article className="chat-answer" aria-label="Oxbow" aria-busy={isStreaming}>
      {reasoning !== '' && <Reasoning item={item} />}
      {restarted !== '' && (
        <p className="chat-note">
          <RotateCcw aria-hidden="true" /> The answer started over: {restarted}
        </p>
      )}
      {text !== '' && <Markdown text={text} />}
    </article>
  )
})

function Reasoning({ item }: { readonly item: AnswerItem }): ReactNode {
  const [isOpen, toggle] = useFold(`reasoning:${item.key}`)
  return (
    <div className="chat-reasoning">
      <button type="button" className="chat-call-head" aria-expanded={isOpen} onClick={toggle}>
        <ChevronRight className="chat-twist" aria-hidden="true" />
        <BrainCircuit aria-hidden="true" />
        <span className="chat-call-name">Reasoning</span>
      </button>
      {isOpen && <div className="chat-reasoning-text">{item.reasoning}</div>}
    </div>
  )
}

interface EndProps extends Pick<ItemActions, 'onFork' | 'onUndo'> {
  readonly item: EndItem
  /** It has changed what an undo takes back, in files or elsewhere. */
  readonly isUndoable: boolean
}

export const EndRow = memo(function EndRow({ item, isUndoable, onFork, onUndo }: EndProps): ReactNode {
  const { view, ms, at, seq, turn, commit, files } = item
  const failure = failureOf(item)
  const tokens = view.usage.inputTokens + view.usage.outputTokens
  return (
    <div className="chat-end">
      {view.status === 'cancelled' && <p className="chat-note">You stopped this turn.</p>}
      {failure !== null && (
        <p className="chat-failure" role="alert">
          <strong>
            <WithCode text={failure.message} />
          </strong>{' '}
          <WithCode text={failure.hint} />
        </p>
      )}
      <div className="chat-tools">
        <Time at={at} />
        <span data-volatile>{durationText(ms)}</span>
        {tokens > 0 && <span>{tokens.toLocaleString('en')} tokens</span>}
        {view.spent.microDollars > 0 && <span>{moneyText(view.spent.microDollars)}</span>}
        <span className="chat-tools-gap" />
        {(commit !== '' || isUndoable) && (
          <Button size="s" variant="quiet" icon={<Undo2 />} onClick={() => onUndo(turn)}>
            {files === 0 ? 'Changes' : 'Changed files'}
          </Button>
        )}
        {view.reply !== '' && <CopyButton text={view.reply} label="Copy the answer" />}
        <IconButton size="s" icon={<GitFork />} label="Fork: a new session from here" onClick={() => onFork(seq)} />
      </div>
    </div>
  )
})
