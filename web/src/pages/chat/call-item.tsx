/** A tool call: one line that folds open to what was asked, what came of it, and how long it took. */
import {
  Bot,
  Brain,
  ChevronRight,
  CircleCheck,
  CircleSlash,
  CircleX,
  FileText,
  Globe,
  Hand,
  KeyRound,
  type LucideIcon,
  Send,
  SquareTerminal,
  Wrench,
} from 'lucide-react'
import { lazy, memo, type ReactNode, Suspense } from 'react'
import { exactText } from '../../../../src/terminal/index.ts'
import { assertNever, forPeople, type JsonObject, ownValue } from '../../../../src/base/index.ts'
import { CodeBlock } from '../../ui/code-block.tsx'
import { languageOf } from '../../ui/code.tsx'
import { Badge, durationText } from '../../ui/layout.tsx'
import { Approval } from './approval.tsx'
import { inputOf, summaryOf } from './call-input.ts'
import { useFold } from './fold.ts'
import { FileCard } from './media.tsx'
import type { CallItem } from './transcript.ts'

const TextDiff = lazy(() => import('../../ui/text-diff.tsx').then((module) => ({ default: module.TextDiff })))
const Diff = lazy(() => import('../../ui/diff.tsx').then((module) => ({ default: module.Diff })))

export const CallRow = memo(function CallRow({ item }: { readonly item: CallItem }): ReactNode {
  const { view, media, pending } = item
  const [isOpen, toggle] = useFold(item.key)
  const input = inputOf(view.input)
  const Icon = iconOf(view.name)
  return (
    <div className="chat-call" data-status={view.status}>
      <button type="button" className="chat-call-head" aria-expanded={isOpen} onClick={toggle}>
        <ChevronRight className="chat-twist" aria-hidden="true" />
        <Icon aria-hidden="true" />
        <span className="chat-call-name">{view.name}</span>
        <code className="chat-call-about">{summaryOf(input)}</code>
        <CallStatus item={item} />
      </button>
      {view.status === 'running' && item.output !== '' && (
        <pre className="chat-live" tabIndex={0} aria-label="Output so far">
          {lastLines(item.output)}
        </pre>
      )}
      {pending !== null && <Approval pending={pending} />}
      {isOpen && <CallDetails item={item} input={input} />}
      {media !== null && <FileCard file={media} caption={media.caption} kind={media.kind} />}
    </div>
  )
})

const liveLines = 12

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-liveLines).join('\n')
}

function CallStatus({ item: { view, elapsedMs } }: { readonly item: CallItem }): ReactNode {
  const ms = view.ms ?? elapsedMs
  const time = ms >= 100 && (
    <span className="chat-call-time" data-volatile>
      {durationText(ms)}
    </span>
  )
  switch (view.status) {
    case 'running':
      return (
        <>
          {time}
          <span className="spinner" role="img" aria-label="running" />
        </>
      )
    case 'waiting':
      return (
        <Badge tone="warn">
          <Hand aria-hidden="true" /> waits for you
        </Badge>
      )
    case 'ok':
      return (
        <>
          {time}
          <CircleCheck className="chat-ok" role="img" aria-label="done" />
        </>
      )
    case 'failed':
    case 'refused':
    case 'cancelled':
    case 'unknown':
      return (
        <>
          {time}
          <Badge tone={view.status === 'cancelled' ? 'neutral' : 'bad'}>
            {view.status === 'cancelled' ? <CircleSlash aria-hidden="true" /> : <CircleX aria-hidden="true" />} {view.status}
          </Badge>
        </>
      )
    default:
      return assertNever(view.status)
  }
}

function CallDetails({ item: { view }, input }: { readonly item: CallItem; readonly input: JsonObject }): ReactNode {
  const result = forPeople(view.text)
  return (
    <div className="chat-call-body">
      <Suspense fallback={null}>
        <Change input={input} />
      </Suspense>
      <Arguments input={input} />
      {result !== '' && (
        <section aria-label="Result">
          <h4>Result</h4>
          <pre className="chat-result" tabIndex={0}>
            {result}
          </pre>
        </section>
      )}
    </div>
  )
}

/** What a call changes in a file, where its input says so. */
function Change({ input }: { readonly input: JsonObject }): ReactNode {
  const text = (field: string): string => {
    const value = ownValue(input, field)
    return typeof value === 'string' ? value : ''
  }
  switch (changeIn(input)) {
    case 'edit':
      return <TextDiff before={text('find')} after={text('replace')} />
    case 'patch':
      return <Diff text={text('diff')} />
    case 'write':
      return <CodeBlock text={text('text')} language={languageOf(text('path'))} />
    case null:
    default:
      return null
  }
}

/** The fields that tell a change of a file. */
const changeFields = { edit: ['find', 'replace'], patch: ['diff'], write: ['text'] } as const

function changeIn(input: JsonObject): keyof typeof changeFields | null {
  const has = (field: string): boolean => typeof ownValue(input, field) === 'string'
  const kinds = ['edit', 'patch', 'write'] as const
  // A diff names its files itself.
  return kinds.find((kind) => changeFields[kind].every(has) && (kind === 'patch' || has('path'))) ?? null
}

function Arguments({ input }: { readonly input: JsonObject }): ReactNode {
  const change = changeIn(input)
  const hidden: readonly string[] = change === null ? [] : changeFields[change]
  const shown = Object.entries(input).filter(([field]) => !hidden.includes(field))
  if (shown.length === 0) return null
  return (
    <dl className="chat-arguments">
      {shown.map(([field, value]) => (
        <div key={field}>
          <dt>{field}</dt>
          <dd>
            <code>{exactText(typeof value === 'string' ? value : JSON.stringify(value, null, 2))}</code>
          </dd>
        </div>
      ))}
    </dl>
  )
}

const icons: Readonly<Record<string, LucideIcon>> = {
  file: FileText,
  shell: SquareTerminal,
  exec: SquareTerminal,
  web: Globe,
  browser: Globe,
  memory: Brain,
  agent: Bot,
  media: Send,
  vault: KeyRound,
  secret: KeyRound,
}

function iconOf(name: string): LucideIcon {
  return ownValue(icons, name.split('.')[0] ?? '') ?? Wrench
}
