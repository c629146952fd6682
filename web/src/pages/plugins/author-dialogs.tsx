/** For who writes a plugin: a folder to begin with, and a signature over all its files. */
import type { ReactNode } from 'react'
import { FormDialog, useForm } from '../../shelf/form-dialog.tsx'
import { useSay } from '../../shelf/said.tsx'
import { TextField } from '../../ui/field.tsx'

const isPath = (text: string): boolean => /^\/./.test(text.trim())
const pathProblem = (text: string): string => (text === '' || isPath(text) ? '' : 'A whole path, which begins with /.')

interface NewPluginProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  /** @param folder what could be installed now */
  readonly onMade: (folder: string) => void
}

export function NewPlugin({ isOpen, onClose, onMade }: NewPluginProps): ReactNode {
  const { form, typed, clear } = useForm({ folder: '' })
  const folder = form.folder.trim()
  const say = useSay()
  return (
    <FormDialog
      title="New plugin"
      verb="Make it"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isPath(folder)}
      act={async (run) => {
        const made = await run('plugin.create', { folder })
        if (made === undefined) return undefined
        say(`Made the plugin ${made.plugin} in ${folder}. Write what it does there, and install it from there.`)
        clear()
        onMade(folder)
        return made
      }}
    >
      <TextField
        label="Folder"
        hint="A new one, on this machine; the plugin has its name."
        placeholder="/home/ada/weather"
        problem={pathProblem(form.folder)}
        {...typed('folder')}
      />
    </FormDialog>
  )
}

interface SignPluginProps {
  readonly folder: string
  readonly isOpen: boolean
  readonly onClose: () => void
}

export function SignPlugin({ folder, isOpen, onClose }: SignPluginProps): ReactNode {
  const { form, typed } = useForm({ key: '' })
  const key = form.key.trim()
  const say = useSay()
  return (
    <FormDialog
      title={`Sign the files in ${folder}`}
      verb="Sign"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isPath(key)}
      act={async (run) => {
        const signed = await run('plugin.sign', { folder, key })
        if (signed === undefined) return undefined
        const made = signed.made_key ? ` Made the key ${key}. Keep it: updates that another key has signed ask each person again.` : ''
        say(`Signed by the key ${signed.fingerprint}.${made} An update takes the signature over.`)
        return signed
      }}
    >
      <TextField
        label="File of your key"
        hint="An Ed25519 key in PEM, on this machine; it is made if it does not exist."
        placeholder="/home/ada/plugin-key.pem"
        problem={pathProblem(form.key)}
        {...typed('key')}
      />
    </FormDialog>
  )
}
