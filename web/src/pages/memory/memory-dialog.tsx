/** One memory with its origin, and what a person can do with it. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { Pencil, Pin, PinOff, Trash2 } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Link } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialog.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'
import { Badge, Facts, Time } from '../../ui/layout.tsx'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { kindTexts } from './memory-kinds.ts'

/** What `memory.why` answers. */
type Origin = OutputOf<'memory.why'>

interface MemoryDialogProps {
  /** Null: closed. */
  readonly id: string | null
  readonly onClose: () => void
  readonly onOpen: (id: string) => void
}

export function MemoryDialog({ id, onClose, onOpen }: MemoryDialogProps): ReactNode {
  const { data, failure, refresh } = useCall('memory.why', { note_id: id ?? '' }, { skip: id === null, refreshOn: ['memory_*'] })
  const [mode, setMode] = useState<'show' | 'edit' | 'delete'>('show')
  const { run, isBusy, failure: refusal, clear } = useAction()
  const close = (): void => {
    setMode('show')
    clear()
    onClose()
  }
  const act = async (name: string, input: Parameters<typeof run>[1], isLast = false): Promise<void> => {
    if ((await run(name, input)) === undefined) return
    setMode('show')
    if (isLast) close()
    else refresh()
  }
  if (id !== null && mode === 'delete' && data !== undefined) {
    return (
      <Confirm
        title="Remove this memory?"
        isOpen
        verb="Remove"
        {...{ isBusy }}
        failure={refusal}
        onClose={() => setMode('show')}
        onConfirm={() => void act('memory.delete', { note_id: id }, true)}
      >
        <p className="memory-text">{data.text}</p>
        <p className="field-hint">It is not recalled any more. The journal keeps that it was there.</p>
      </Confirm>
    )
  }
  const isPinned = data?.protection === 'permanent'
  const canChange = data?.kind === 'note' || data?.kind === 'fact'
  const actions = data !== undefined && mode === 'show' && canChange && (
    <Actions
      {...{ isPinned, isBusy }}
      onRemove={() => setMode('delete')}
      onPin={() => void act('memory.pin', { note_id: data.id, pinned: !isPinned })}
      onEdit={() => setMode('edit')}
    />
  )
  return (
    <Dialog
      title={data === undefined ? 'Memory' : kindTexts[data.kind]}
      isOpen={id !== null}
      onClose={close}
      isWide
      actions={actions || undefined}
    >
      {failure !== null ? (
        <Problem failure={failure} onRetry={refresh} />
      ) : data === undefined ? (
        <Loading />
      ) : mode === 'edit' ? (
        <NoteForm
          text={data.text}
          tags={data.tags}
          verb="Save"
          isBusy={isBusy}
          onSave={(content, tags) => void act('memory.update', { note_id: data.id, content, tags: [...tags] })}
          onCancel={() => setMode('show')}
        />
      ) : (
        <Shown origin={data} onOpen={onOpen} />
      )}
      <ProblemLine failure={refusal} />
    </Dialog>
  )
}

interface ActionsProps {
  readonly isPinned: boolean
  readonly isBusy: boolean
  readonly onRemove: () => void
  readonly onPin: () => void
  readonly onEdit: () => void
}

function Actions({ isPinned, isBusy, onRemove, onPin, onEdit }: ActionsProps): ReactNode {
  return (
    <>
      <Button icon={<Trash2 />} variant="danger" onClick={onRemove}>
        Remove
      </Button>
      <Button icon={isPinned ? <PinOff /> : <Pin />} isBusy={isBusy} onClick={onPin}>
        {isPinned ? 'Unpin' : 'Pin'}
      </Button>
      <Button icon={<Pencil />} variant="primary" onClick={onEdit}>
        Edit
      </Button>
    </>
  )
}

function Shown({ origin, onOpen }: { readonly origin: Origin; readonly onOpen: (id: string) => void }): ReactNode {
  const { text, by, record, labels, tags } = origin
  return (
    <>
      <p className="memory-text">{text}</p>
      <div className="memory-about">
        {!origin.holds && <Badge>no longer holds</Badge>}
        {origin.protection === 'permanent' && <Badge tone="good">pinned</Badge>}
        {labels.map((label) => (
          <Badge key={label} tone="warn">
            {label}
          </Badge>
        ))}
        {tags.map((tag) => (
          <span key={tag} className="memory-tag">
            #{tag}
          </span>
        ))}
      </div>
      <h3>Where it comes from</h3>
      <Facts
        facts={[
          ['Written by', [...new Set([by.author, by.actor])].filter((part) => part !== '').join(', ') || 'unknown'],
          ['When', <Time key="at" at={origin.created_at} />],
          [
            'Record',
            record === null ? (
              'none'
            ) : (
              <Link key="record" to={`/journal?call=${encodeURIComponent(by.call)}`}>
                {`${record.name}, number ${record.seq}${record.erased ? ', erased' : ''}`}
              </Link>
            ),
          ],
          [
            'Session',
            by.session === '' ? (
              'none'
            ) : (
              <Link key="session" to={`/chat/${by.session}`}>
                Open the conversation
              </Link>
            ),
          ],
          [
            'Recalled',
            `${origin.accesses} ${origin.accesses === 1 ? 'time' : 'times'}; ${origin.tier}, importance ${Math.round(origin.importance * 100)} %`,
          ],
        ]}
      />
      <Relations origin={origin} onOpen={onOpen} />
    </>
  )
}

/** What stands against it, and for it. */
function Relations({ origin, onOpen }: { readonly origin: Origin; readonly onOpen: (id: string) => void }): ReactNode {
  const relations = [
    ['Superseded by', origin.superseded_by === null ? [] : [origin.superseded_by]],
    ['Supersedes', origin.supersedes],
    ['Contradicts', origin.contradicts],
    ['Confirmed by', origin.confirmed_by],
  ] as const
  return (
    <>
      {relations.map(([title, others]) =>
        others.length === 0 ? null : (
          <div key={title}>
            <h3>{title}</h3>
            <ul className="memory-related">
              {others.map((other) => (
                <li key={other.id}>
                  <button type="button" className="row-button" onClick={() => onOpen(other.id)}>
                    {other.text}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        ),
      )}
    </>
  )
}

export function NewNote({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): ReactNode {
  const { run, isBusy, failure } = useAction()
  const save = async (content: string, tags: readonly string[]): Promise<void> => {
    if ((await run('memory.save', { content, tags: [...tags] })) !== undefined) onClose()
  }
  return (
    <Dialog title="New note" isOpen={isOpen} onClose={onClose}>
      <NoteForm text="" tags={[]} verb="Keep" isBusy={isBusy} onSave={(content, tags) => void save(content, tags)} onCancel={onClose} />
      <ProblemLine failure={failure} />
    </Dialog>
  )
}

interface NoteFormProps {
  readonly text: string
  readonly tags: readonly string[]
  readonly verb: string
  readonly isBusy: boolean
  readonly onSave: (text: string, tags: readonly string[]) => void
  readonly onCancel: () => void
}

function NoteForm({ text, tags, verb, isBusy, onSave, onCancel }: NoteFormProps): ReactNode {
  const [content, setContent] = useState(text)
  const [words, setWords] = useState(tags.join(', '))
  const list = words
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  return (
    <form
      className="memory-form"
      onSubmit={(event) => {
        event.preventDefault()
        onSave(content.trim(), list)
      }}
    >
      <TextArea
        label="What to remember"
        hint="One or two sentences. No secrets: they have a place of their own."
        rows={5}
        value={content}
        onChange={(event) => setContent(event.target.value)}
      />
      <TextField label="Tags" placeholder="git, style" value={words} onChange={(event) => setWords(event.target.value)} />
      <div className="memory-form-actions">
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" variant="primary" isBusy={isBusy} disabled={content.trim() === ''}>
          {verb}
        </Button>
      </div>
    </form>
  )
}
