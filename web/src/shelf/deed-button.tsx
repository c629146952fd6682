/** A button for what a person takes back or away: it asks with the words of the verb, does it, and says what came of it. */
import { type ReactNode, useState } from 'react'
import type { Deed } from '../../../src/terminal/index.ts'
import { type Action, useAction } from '../data/calls.ts'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/dialog.tsx'
import { useSay } from './said.tsx'

interface DeedButtonProps {
  readonly deed: Deed
  /** On both buttons: `Revoke`. */
  readonly verb: string
  readonly icon?: ReactNode
  /** Makes the call; undefined: it has failed, and the dialog says why. */
  readonly act: (run: Action['run']) => Promise<unknown>
  readonly onDone: () => void
  /** What would be lost, in addition to what the deed says. */
  readonly children?: ReactNode
}

export function DeedButton({ deed, verb, icon, act, onDone, children }: DeedButtonProps): ReactNode {
  const [isOpen, setOpen] = useState(false)
  const { run, isBusy, failure, clear } = useAction()
  const say = useSay()
  const close = (): void => {
    setOpen(false)
    clear()
  }
  const confirm = async (): Promise<void> => {
    if ((await act(run)) === undefined) return
    close()
    say(deed.done)
    onDone()
  }
  return (
    <>
      <Button size="s" variant="danger" icon={icon} onClick={() => setOpen(true)}>
        {verb}
      </Button>
      <Confirm
        title={asked(deed.would)}
        verb={verb}
        isOpen={isOpen}
        onClose={close}
        onConfirm={() => void confirm()}
        isBusy={isBusy}
        failure={failure}
      >
        <p>{deed.means}</p>
        {children}
      </Confirm>
    </>
  )
}

/** `revoke the key ci` → `Revoke the key ci?` */
function asked(would: string): string {
  return `${would.charAt(0).toUpperCase()}${would.slice(1)}?`
}
