/**
 * The conversation as a list in which only what is on the screen exists. It follows the end while the person is there; whoever has scrolled
 * up stays where they read, also while older messages are put above.
 */
import { ArrowDown } from 'lucide-react'
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { VList, type VListHandle } from 'virtua'
import { assertNever } from '../../../../src/types/index.ts'
import { Button } from '../../ui/button.tsx'
import { CallRow } from './call-item.tsx'
import { FoldContext } from './fold.ts'
import type { Item } from './transcript.ts'
import { AnswerRow, EndRow, type ItemActions, PersonRow } from './turn-items.tsx'

interface TranscriptViewProps {
  readonly items: readonly Item[]
  readonly hasOlder: boolean
  readonly isRunning: boolean
  readonly actions: ItemActions
  readonly onOlder: () => void
}

/** Distance from the end within which the list follows it, and from the top within which older messages are read. */
const nearEndPx = 80
const nearTopPx = 1_500

export function TranscriptView({ items, hasOlder, isRunning, actions, onOlder }: TranscriptViewProps): ReactNode {
  const list = useRef<VListHandle>(null)
  const [folds] = useState(() => new Map<string, boolean>())
  const [isAtEnd, setAtEnd] = useState(true)
  const follows = useRef(true)
  const firstKey = items[0]?.key
  const before = useRef({ firstKey, count: items.length })
  // Items that are put above shift the others: the list keeps what is on the screen.
  const isPrepend = before.current.firstKey !== firstKey && items.length > before.current.count && before.current.count > 0
  useLayoutEffect(() => {
    before.current = { firstKey, count: items.length }
  }, [firstKey, items.length])

  const rows = items.length + (isRunning ? 1 : 0)
  const toEnd = (): void => list.current?.scrollToIndex(rows - 1, { align: 'end' })
  useEffect(() => {
    // What a person has sent is shown, wherever they were.
    const isOwn = items.at(-1)?.type === 'person' && (items.at(-1) as { state?: string }).state === 'sending'
    if (isOwn) follows.current = true
    if (follows.current) toEnd()
  })
  useEffect(() => {
    if (hasOlder && (list.current?.scrollOffset ?? 0) < nearTopPx) onOlder()
  }, [hasOlder, items, onOlder])

  const scrolled = (offset: number): void => {
    const { scrollSize = 0, viewportSize = 0 } = list.current ?? {}
    const atEnd = scrollSize - offset - viewportSize < nearEndPx
    follows.current = atEnd
    setAtEnd(atEnd)
    if (offset < nearTopPx && hasOlder) onOlder()
  }
  return (
    <FoldContext.Provider value={folds}>
      <div className="chat-scroll" role="log" aria-live="off" aria-label="Conversation">
        <VList ref={list} className="chat-list" tabIndex={0} shift={isPrepend} onScroll={scrolled} bufferSize={600}>
          {items.map((item) => (
            <div key={item.key} className="chat-row" data-kind={item.type}>
              <Row item={item} actions={actions} />
            </div>
          ))}
          {isRunning ? (
            <div key="running" className="chat-row" data-kind="running">
              <span className="chat-working">
                <i />
                <i />
                <i />
                <span className="visually-hidden">Oxbow is working</span>
              </span>
            </div>
          ) : null}
        </VList>
        {!isAtEnd && (
          <Button className="chat-to-end" icon={<ArrowDown />} onClick={toEnd}>
            Newest
          </Button>
        )}
      </div>
    </FoldContext.Provider>
  )
}

function Row({ item, actions }: { readonly item: Item; readonly actions: ItemActions }): ReactNode {
  switch (item.type) {
    case 'person':
      return <PersonRow item={item} onRewrite={actions.onRewrite} />
    case 'answer':
      return <AnswerRow item={item} />
    case 'call':
      return <CallRow item={item} />
    case 'end':
      return <EndRow item={item} onFork={actions.onFork} onUndo={actions.onUndo} />
    default:
      return assertNever(item)
  }
}
