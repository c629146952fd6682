/**
 * The conversation as a list in which only what is on the screen exists. It follows the end while the person is there; whoever has scrolled
 * up stays where they read, also while older messages are put above.
 */
import { ArrowDown } from 'lucide-react'
import { memo, type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState, type WheelEvent } from 'react'
import { VList, type VListHandle } from 'virtua'
import { assertNever } from '../../../../src/base/index.ts'
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
  const newest = items.at(-1)
  // An answer that is being written shows by itself that something goes on.
  const isWaiting = isRunning && !(newest?.type === 'answer' && newest.isStreaming && newest.text !== '')
  const list = useRef<VListHandle>(null)
  const [folds] = useState(() => new Map<string, boolean>())
  const [isAtEnd, setAtEnd] = useState(true)
  const follows = useRef(true)
  const lastOffset = useRef(0)
  const firstKey = items[0]?.key
  const before = useRef({ firstKey, count: items.length })
  // Items that are put above shift the others: the list keeps what is on the screen.
  const isPrepend = before.current.firstKey !== firstKey && items.length > before.current.count && before.current.count > 0
  useLayoutEffect(() => {
    before.current = { firstKey, count: items.length }
  }, [firstKey, items.length])

  const rows = useMemo<readonly RowItem[]>(() => (isWaiting ? [...items, waiting] : items), [items, isWaiting])
  const toEnd = (): void => list.current?.scrollToIndex(rows.length - 1, { align: 'end' })
  useEffect(() => {
    // What a person has sent is shown, wherever they were.
    if (newest?.type === 'person' && newest.state === 'sending') follows.current = true
    if (follows.current) toEnd()
  })
  useEffect(() => {
    if (hasOlder && (list.current?.scrollOffset ?? 0) < nearTopPx) onOlder()
  }, [hasOlder, items, onOlder])

  const scrolled = (offset: number): void => {
    const { scrollSize = 0, viewportSize = 0 } = list.current ?? {}
    const atEnd = scrollSize - offset - viewportSize < nearEndPx
    // Whoever turns up a little stays there, although it is still near the end.
    if (!atEnd) follows.current = false
    else if (offset > lastOffset.current) follows.current = true
    lastOffset.current = offset
    setAtEnd(atEnd)
    if (offset < nearTopPx && hasOlder) onOlder()
  }
  const turned = ({ deltaY }: WheelEvent): void => {
    if (deltaY < 0) follows.current = false
  }
  return (
    <FoldContext.Provider value={folds}>
      <div className="chat-scroll" role="log" aria-live="off" aria-label="Conversation" onWheel={turned}>
        <VList ref={list} className="chat-list" tabIndex={0} data={rows} shift={isPrepend} onScroll={scrolled} bufferSize={600}>
          {(row) => <Row key={row.key} row={row} actions={actions} />}
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

type RowItem = Item | typeof waiting

/** The last row while the agent works and says nothing. */
const waiting = { type: 'waiting', key: 'waiting' } as const

const Row = memo(function Row({ row, actions }: { readonly row: RowItem; readonly actions: ItemActions }): ReactNode {
  return (
    <div className="chat-row" data-kind={row.type}>
      {contentOf(row, actions)}
    </div>
  )
})

function contentOf(row: RowItem, actions: ItemActions): ReactNode {
  switch (row.type) {
    case 'person':
      return <PersonRow item={row} onRewrite={actions.onRewrite} />
    case 'answer':
      return <AnswerRow item={row} />
    case 'call':
      return <CallRow item={row} />
    case 'end':
      return <EndRow item={row} isUndoable={actions.undoable.has(row.turn)} onFork={actions.onFork} onUndo={actions.onUndo} />
    case 'waiting':
      return (
        <span className="chat-working">
          <i />
          <i />
          <i />
          <span className="visually-hidden">Oxbow is working</span>
        </span>
      )
    default:
      return assertNever(row)
  }
}
