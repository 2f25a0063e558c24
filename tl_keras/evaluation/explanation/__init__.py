"""Why a classifier says what it says: heat maps, hard images, nearest images."""
