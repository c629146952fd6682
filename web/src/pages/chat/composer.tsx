/** Where a message is written: it grows with its text, takes files by button, paste and drop, and keeps an unsent draft of each session. */
import { ArrowUp, Paperclip, Square, X } from 'lucide-react'
import { type ClipboardEvent, type DragEvent, type FormEvent, type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { toFailure, failureSentences } from '../../../../src/base/index.ts'
import type { KeptFile } from '../../../../src/protocol/index.ts'
import { useGuest } from '../../data/guest.tsx'
import { Button, IconButton } from '../../ui/button.tsx'
import { bytesText } from '../../ui/layout.tsx'
import { WithCode } from '../../ui/states.tsx'
import { AgentChoice } from './agent-choice.tsx'
import { refusalOf, upload } from './attachments.ts'
import { ModelChoice } from './model-choice.tsx'
import { useOwnCommands } from './own-commands.tsx'
import { usePageCommands } from './page-commands.ts'

interface ComposerProps {
  /** Empty for a new one. */
  readonly session: string
  readonly isRunning: boolean
  /** Who answers in it now; empty: the usual agent. */
  readonly answering: string
  readonly onSend: (text: string, files: readonly KeptFile[], choice: Choice) => void
  readonly onStop: () => void
  /** What is shown next to the model: cost and context. */
  readonly facts: ReactNode
  /** A refused message that comes back. */
  readonly returned: string
}

/** Whom a message is for; empty: the configured model, the usual agent. */
export interface Choice {
  readonly model: string
  /** Of a session that is new. */
  readonly agent: string
}

const draftKey = (session: string): string => `oxbow.draft.${session || 'new'}`

export function Composer({ session, isRunning, answering, onSend, onStop, facts, returned }: ComposerProps): ReactNode {
  const [text, setText] = useDraft(session, returned)
  const [model, setModel] = useState('')
  const [agent, setAgent] = useState('')
  const { files, isUploading, problem, add, remove, clear } = useFiles()
  const dropZone = useDropZone(add)
  const input = useRef<HTMLTextAreaElement>(null)
  const ofPage = usePageCommands({ session, isRunning, onStop, onModel: setModel })
  const { list, isPartial, complete, expanded, refusal } = useOwnCommands(text, ofPage, (completed) => {
    setText(completed)
    input.current?.focus()
  })

  useEffect(() => {
    // A phone's keyboard would cover the conversation.
    if (matchMedia('(min-width: 45rem)').matches) input.current?.focus({ preventScroll: true })
  }, [session])
  const canSend = (text.trim() !== '' || files.length > 0) && !isUploading
  const send = (event?: FormEvent): void => {
    event?.preventDefault()
    if (!canSend) return
    const sendNow = (message: string): void => {
      onSend(message, files, { model, agent })
      setText('')
      clear()
      input.current?.focus()
    }
    if (text.trim() === '') return sendNow(files.map(({ name }) => name).join(', '))
    void expanded(text).then((message) => message !== null && sendNow(message))
  }
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      // The beginning of a command becomes the command; only a whole one is sent.
      if (isPartial && complete()) event.preventDefault()
      else send(event)
    }
    if (event.key === 'Escape' && isRunning) onStop()
    if (event.key === 'Tab' && !event.shiftKey && complete()) event.preventDefault()
  }
  return (
    <form className="chat-composer" {...dropZone} onSubmit={send}>
      {files.length > 0 && <AttachedFiles files={files} onRemove={remove} />}
      <Problems texts={[problem, refusal]} />
      {list}
      <textarea
        ref={input}
        aria-label="Message"
        rows={1}
        placeholder={isRunning ? 'Add something; the agent reads it at its next step' : 'Message Oxbow'}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
        onPaste={(event) => addPasted(event, add)}
      />
      <div className="chat-composer-foot">
        <AttachButton onFiles={add} />
        <AgentChoice session={session} current={session === '' ? agent : answering} onChoose={setAgent} />
        <ModelChoice chosen={model} onChoose={setModel} />
        <div className="chat-facts">{facts}</div>
        {isRunning && (
          <Button icon={<Square />} onClick={onStop}>
            Stop
          </Button>
        )}
        <IconButton type="submit" variant="primary" icon={<ArrowUp />} label="Send" disabled={!canSend} isBusy={isUploading} />
      </div>
    </form>
  )
}

function addPasted(event: ClipboardEvent, add: (files: readonly File[]) => void): void {
  const found = [...event.clipboardData.files]
  if (found.length === 0) return
  event.preventDefault()
  add(found)
}

function Problems({ texts }: { readonly texts: readonly string[] }): ReactNode {
  return texts.filter(Boolean).map((text) => (
    <p key={text} className="field-problem" role="alert">
      <WithCode text={text} />
    </p>
  ))
}

/** @param returned a refused message, which comes back unless something else is being written */
function useDraft(session: string, returned: string): readonly [string, (text: string) => void] {
  const [draft, setDraft] = useState(() => ({ session, text: draftOf(session) }))
  // The draft of another session must not become this one's, not even for one frame.
  const current = draft.session === session ? draft : { session, text: draftOf(session) }
  if (current !== draft) setDraft(current)
  const setText = (text: string): void => {
    if (text === '') sessionStorage.removeItem(draftKey(session))
    else sessionStorage.setItem(draftKey(session), text)
    setDraft({ session, text })
  }
  useEffect(() => {
    if (returned !== '') setDraft((now) => (now.text === '' ? { ...now, text: returned } : now))
  }, [returned])
  return [current.text, setText]
}

/** @returns what makes an element take files that are dropped on it */
function useDropZone(onFiles: (files: readonly File[]) => void) {
  const [isOver, setOver] = useState(false)
  return {
    'data-over': isOver || undefined,
    onDragOver(event: DragEvent): void {
      event.preventDefault()
      setOver(true)
    },
    onDragLeave: () => setOver(false),
    onDrop(event: DragEvent): void {
      event.preventDefault()
      setOver(false)
      onFiles([...event.dataTransfer.files])
    },
  }
}

function draftOf(session: string): string {
  return sessionStorage.getItem(draftKey(session)) ?? ''
}

function AttachButton({ onFiles }: { readonly onFiles: (files: readonly File[]) => void }): ReactNode {
  const picker = useRef<HTMLInputElement>(null)
  return (
    <>
      <IconButton icon={<Paperclip />} label="Attach files" onClick={() => picker.current?.click()} />
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label="Files to attach"
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])])
          event.target.value = ''
        }}
      />
    </>
  )
}

function AttachedFiles({ files, onRemove }: { readonly files: readonly KeptFile[]; readonly onRemove: (at: number) => void }): ReactNode {
  return (
    <ul className="chat-attached" aria-label="Attached files">
      {files.map(({ name, bytes }, index) => (
        <li key={`${index}${name}`}>
          <span className="chat-file-name">{name}</span>
          <span className="chat-file-facts">{bytesText(bytes)}</span>
          <IconButton size="s" icon={<X />} label={`Remove ${name}`} onClick={() => onRemove(index)} />
        </li>
      ))}
    </ul>
  )
}

interface Files {
  readonly files: readonly KeptFile[]
  readonly isUploading: boolean
  readonly problem: string
  add(files: readonly File[]): void
  remove(at: number): void
  clear(): void
}

function useFiles(): Files {
  const { client } = useGuest()
  const [files, setFiles] = useState<readonly KeptFile[]>([])
  const [uploading, setUploading] = useState(0)
  const [problem, setProblem] = useState('')
  const add = async (added: readonly File[]): Promise<void> => {
    const refusal = refusalOf(added, files.length)
    setProblem(refusal)
    if (refusal !== '') return
    setUploading((count) => count + 1)
    try {
      for (const file of added) {
        const kept = await upload(client, file)
        setFiles((now) => [...now, kept])
      }
    } catch (error) {
      const { message, hint } = toFailure(error, 'internal_failure', 'Attach it again.')
      setProblem(failureSentences({ message, hint }))
    } finally {
      setUploading((count) => count - 1)
    }
  }
  return {
    files,
    isUploading: uploading > 0,
    problem,
    add: (added) => void add(added),
    remove: (at) => setFiles((now) => now.filter((_, index) => index !== at)),
    clear: () => setFiles([]),
  }
}
