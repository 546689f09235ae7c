/** Roles by name, and who may give which. */
import type { Role, User } from "@mayday/client";
import { t } from "./texts.js";

const NAMES = {
  0: "people.superadmin",
  1: "people.admin",
  2: "role.owner",
  3: "role.manager",
  4: "role.support",
} as const;

export function roleName(role: Role): string {
  return t(NAMES[role]);
}

/** A smaller number is more senior: one may manage those who are less so than oneself. */
export function mayManage(me: User, user: User): boolean {
  return user.role > me.role;
}

/** The roles of an agency that this person may give. */
export function rolesBelow({ role }: User): Role[] {
  return ([2, 3, 4] as Role[]).filter((other) => other > role);
}
