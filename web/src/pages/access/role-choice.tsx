/** Roles that can be put among rights with one press. */
import type { ReactNode } from 'react'
import { useCall } from '../../data/calls.ts'
import { linesOf } from '../../shelf/form-dialog.tsx'
import { Button } from '../../ui/button.tsx'
import './access.css'

interface RoleChoiceProps {
  /** Rights, one a line. */
  readonly value: string
  readonly onChange: (value: string) => void
  /** A role of its own is no right of a role. */
  readonly isOwnOnly?: boolean
}

export function RoleChoice({ value, onChange, isOwnOnly = false }: RoleChoiceProps): ReactNode {
  const { data = [] } = useCall('role.list', {})
  const chosen = linesOf(value)
  const roles = data.filter(({ by }) => !isOwnOnly || by === '').map(({ role }) => role)
  const toggle = (role: string): void =>
    onChange((chosen.includes(role) ? chosen.filter((each) => each !== role) : [...chosen, role]).join('\n'))
  return (
    <div className="role-choice" role="group" aria-label="Roles">
      {roles.map((role) => (
        <Button key={role} size="s" aria-pressed={chosen.includes(role)} onClick={() => toggle(role)}>
          {role}
        </Button>
      ))}
    </div>
  )
}
