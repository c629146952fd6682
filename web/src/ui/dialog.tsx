/** Dialogs, over the browser's own `<dialog>`: it keeps the focus inside, closes with Escape, and gives the focus back. */
import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useLayoutEffect, useRef } from 'react'
import type { Failure } from '../../../src/base/index.ts'
import { Button, IconButton } from './button.tsx'
import { ProblemLine } from './states.tsx'

interface DialogProps {
  readonly title: string
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly children: ReactNode
  /** Buttons; the last one does what the dialog is for. */
  readonly actions?: ReactNode
  readonly isWide?: boolean
}

export function Dialog({ title, isOpen, onClose, children, actions, isWide = false }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    if (isOpen && element.current?.open === false) element.current.showModal()
    if (!isOpen) element.current?.close()
  }, [isOpen])
  // One that is taken away while it is open gives the focus back, too.
  useLayoutEffect(() => {
    const dialog = element.current
    return () => dialog?.close()
  }, [])
  return (
    <dialog ref={element} className="dialog" data-wide={isWide || undefined} aria-labelledby={id} onClose={onClose}>
      {isOpen && (
        <>
          <div className="dialog-head">
            <h2 id={id}>{title}</h2>
            <IconButton icon={<X />} label="Close" size="s" onClick={onClose} />
          </div>
          <div className="dialog-body">{children}</div>
          {actions !== undefined && <div className="dialog-actions">{actions}</div>}
        </>
      )}
    </dialog>
  )
}

interface ConfirmProps {
  readonly title: string
  readonly isOpen: boolean
  readonly onClose: () => void
  /** What is lost, and what is not. */
  readonly children: ReactNode
  /** The verb on the button, e.g. `Delete`. */
  readonly verb: string
  readonly onConfirm: () => void
  readonly isBusy?: boolean
  readonly failure?: Failure | null
}

/** Asks before something that cannot be undone. */
export function Confirm({ verb, onConfirm, isBusy = false, failure = null, children, ...rest }: ConfirmProps): ReactNode {
  const actions = (
    <>
      <Button onClick={rest.onClose}>Cancel</Button>
      <Button variant="danger" onClick={onConfirm} isBusy={isBusy}>
        {verb}
      </Button>
    </>
  )
  return (
    <Dialog {...rest} actions={actions}>
      {children}
      <ProblemLine failure={failure} />
    </Dialog>
  )
}
