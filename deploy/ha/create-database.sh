#!/bin/sh
# Makes the role and the database of Pointsman; Patroni gives the address of the new cluster.
set -eu
: "${ROLE_PASSWORD:?is the password of the role pointsman}"
psql --quiet --set ON_ERROR_STOP=1 --set password="$ROLE_PASSWORD" --dbname "$1" <<'SQL'
CREATE ROLE pointsman LOGIN PASSWORD :'password';
CREATE DATABASE pointsman OWNER pointsman;
SQL
